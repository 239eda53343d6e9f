//! The columns of a project's board.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::batch::Command;
use super::wire::{self, Table};
use super::{Client, Error, GroupId, StageId};

const GET: &str = "task.stages.get";

/// A column of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its id.
    pub id: StageId,
    /// What stands above the column.
    pub title: String,
    /// Its place among the others: by number, not by the text it comes in.
    pub sort: i64,
    /// Six hexadecimal digits without `#`, when the portal says them.
    pub color: Option<String>,
    /// `NEW`, `PROGRESS`, `WORK`, `REVIEW`, `FINISH`; `None` for a column people made.
    pub system_type: Option<String>,
}

impl Client {
    /// The columns of a project's board, from left to right; none for a board nobody opened yet.
    ///
    /// Errors: [`super::Refusal::Denied`] for a project the webhook's owner is not in. Source: `task.stages.get`, a map
    /// by id whose order says nothing.
    pub async fn stages(&self, group: GroupId) -> Result<Vec<Stage>, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Get {
            entity_id: GroupId,
        }
        let rows: Table<StageRow> = self.ask(GET, &Get { entity_id: group }).await?;
        Ok(in_order(rows))
    }

    /// The columns of several boards in one call, each with its own outcome, in the order asked.
    pub async fn boards(&self, groups: &[GroupId]) -> Result<Vec<Result<Vec<Stage>, Error>>, Error> {
        let commands: Vec<_> =
            groups.iter().map(|group| Command::new(GET, &json!({ "entityId": group }))).collect();
        let answers = self.batch::<Table<StageRow>>(&commands).await?;
        Ok(answers.into_iter().map(|answer| answer.map(in_order)).collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct StageRow {
    #[serde(deserialize_with = "wire::id")]
    id: i64,
    #[serde(deserialize_with = "wire::text")]
    title: String,
    #[serde(deserialize_with = "wire::number")]
    sort: i64,
    #[serde(default, deserialize_with = "wire::optional_text")]
    color: Option<String>,
    #[serde(default, deserialize_with = "wire::optional_text")]
    system_type: Option<String>,
}

fn in_order(rows: Table<StageRow>) -> Vec<Stage> {
    let stage = |row: StageRow| Stage {
        id: StageId(row.id),
        title: row.title,
        sort: row.sort,
        color: row.color,
        system_type: row.system_type,
    };
    let mut stages: Vec<Stage> = rows.into_values().map(stage).collect();
    stages.sort_by_key(|stage| (stage.sort, stage.id));
    stages
}
