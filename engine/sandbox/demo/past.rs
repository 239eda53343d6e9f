//! What was before the demo begins: a partner with her barbershops, and what she has asked of the office.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::{MARINA, Network, network};
use crate::bitrix24::{Client, Means, NewTask, PortalUserId, Priority, Task, WriteKey};
use crate::clock::Timestamp;
use crate::conversation::Host;
use crate::script::host::{portal_seen, stage_title};
use crate::store::partner::{self, Partner, Profile, Role, Status};
use crate::store::task::{self, TaskId};
use crate::telegram::{ChatId, UserId};

const REGISTERED_AGO: Duration = Duration::from_hours(24 * 200);
/// What stands between a person's words and ours in a task.
const LINE: &str = "———";

/// Something she asked for, and how far the office is with it.
struct Asked {
    department: &'static str,
    title: &'static str,
    text: &'static str,
    /// The column on the board, 0 for the first.
    column: usize,
    is_completed: bool,
    /// What the office wrote.
    words: Option<&'static str>,
}

const ASKED: [Asked; 4] = [
    Asked {
        department: "marketing",
        title: "Акция ко дню рождения барбершопа",
        text: "Нужны тексты для соцсетей и условия скидки.",
        column: 3,
        is_completed: true,
        words: Some("Тексты и условия — в общей папке, удачной акции!"),
    },
    Asked {
        department: "design",
        title: "Вывеска для второго зала",
        text: "Размер 2 на 0,6 метра, подсветка тёплая. Фото стены пришлю отдельно.",
        column: 1,
        is_completed: false,
        words: Some("Макет будет в среду. Пришлите, пожалуйста, фото стены днём."),
    },
    Asked {
        department: "development",
        title: "Условия для третьего барбершопа",
        text: "Присмотрела помещение рядом с метро, 60 метров. С чего начать?",
        column: 2,
        is_completed: false,
        words: None,
    },
    Asked {
        department: "design",
        title: "Обновить прайс на стене",
        text: "С первого числа меняются цены на стрижку и бороду.",
        column: 0,
        is_completed: false,
        words: None,
    },
];

/// Puts Marina into the tables, and her tasks on the board.
pub(super) async fn happen(host: &Host, network: &Network, now: Timestamp) -> anyhow::Result<()> {
    let marina = marina(network, now);
    host.store().introduce(&marina, "Ольга Смирнова").await.context("the demo's partner")?;
    for (number, asked) in ASKED.iter().enumerate() {
        let salon = &marina.salons[number % marina.salons.len()];
        ask(host, &marina, salon, asked, number)
            .await
            .with_context(|| format!("the task «{}»", asked.title))?;
    }
    Ok(())
}

/// She has the first two salons that are open.
fn marina(network: &Network, now: Timestamp) -> Partner {
    let open = network.salons().iter().filter(|salon| salon.closed.is_none());
    let own = |salon: &network::Salon| partner::Salon {
        id: salon.id,
        title: salon.title.clone(),
        city: Some(salon.city.to_owned()),
        address: None,
    };
    Partner {
        user: UserId(MARINA),
        chat: ChatId(MARINA),
        status: Status::Verified,
        profile: Profile {
            name: "Соколова Марина Игоревна".to_owned(),
            phone: "+79990000004".to_owned(),
            username: Some("sokolova".to_owned()),
            role: Some(Role::Owner),
            position: None,
        },
        reachable: true,
        reason: None,
        created_at: now - REGISTERED_AGO,
        verified_at: Some(now - REGISTERED_AGO),
        salons: open.take(2).map(own).collect(),
    }
}

/// Makes one task, with what the office wrote and did, and notes it as hers.
async fn ask(
    host: &Host,
    marina: &Partner,
    salon: &partner::Salon,
    asked: &Asked,
    number: usize,
) -> anyhow::Result<()> {
    let client = host.world().portal()?;
    let department = host.world().department(asked.department)?;
    let group = department.group.map(crate::bitrix24::GroupId);
    let now = host.clock().now();
    let key = |what: &str| {
        let key = WriteKey::new(format!("past-{number}-{what}"), Means::Marked, now);
        key.context("a key is of visible letters")
    };
    let new = NewTask {
        title: format!("[{}] {}", salon.title, asked.title),
        description: format!("{}\n{LINE}\n{}, {}", asked.text, marina.profile.name, marina.profile.phone),
        group,
        responsible: PortalUserId(department.responsible.context("the demo's departments have people")?),
        creator: None,
        deadline: None,
        priority: Priority::Medium,
        tags: Vec::new(),
    };
    let made = client.add_task(&key("task")?, &new).await?;
    if let Some(words) = asked.words {
        client.add_comment(&key("words")?, made.id, words).await?;
    }
    let task = carry(client, made, asked).await?;
    let new = task::New {
        id: TaskId(task.id.0),
        user: marina.user,
        chat: marina.chat,
        salon: Some(salon.id),
        department: asked.department.to_owned(),
        title: task.title.clone(),
        key: key("task")?.as_str().to_owned(),
        explanation: json!(null).into(),
        seen: portal_seen(&task, stage_title(host, task.group, task.stage).await),
    };
    host.store().introduce_task(&new).await?;
    Ok(())
}

/// Brings a task to where the office has it; returns it as it is then.
async fn carry(client: &Client, task: Task, asked: &Asked) -> anyhow::Result<Task> {
    if let (1.., Some(group)) = (asked.column, task.group) {
        let column = client.stages(group).await?.into_iter().nth(asked.column);
        client.move_task(task.id, column.context("the board has columns")?.id).await?;
    }
    if asked.is_completed {
        client.complete_task(task.id).await?;
    }
    client.task(task.id).await?.context("it was just made")
}
