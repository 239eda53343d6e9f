//! Registration from the first word to the menu, as people see it.

use crate::desk::{ANNA, Desk, OLGA, PAVEL, Talker};

/// Anna registers with one barbershop and waits for the office.
pub async fn applies(desk: &Desk, person: i64) {
    let anna = desk.talks(person);
    anna.writes("/start");
    anna.hears("Начнём с регистрации").await;
    anna.presses("📝 Пройти регистрацию");
    anna.hears("Поделитесь, пожалуйста, номером").await;
    anna.shares_contact();
    anna.hears("Как вас зовут?").await;
    anna.writes("Петрова Анна Сергеевна");
    anna.hears("Какой у вас барбершоп?").await;
    anna.writes("Казань, ТЦ <Кольцо>");
    anna.hears("Есть ещё барбершоп?").await;
    anna.presses("✅ Завершить регистрацию");
    anna.hears("Вы владелец?").await;
    anna.presses("✅ Да, я владелец");
    anna.hears("Проверьте, пожалуйста").await;
    anna.presses("✅ Отправить");
    anna.hears("отправлена в офис").await;
}

/// Somebody of the office approves the application that came last, and gives no barbershop.
pub async fn approves(office: &Talker<'_>) {
    office.presses("✅ Одобрить");
    office.hears("Какие барбершопы привязать?").await;
    office.presses("🚫 Без барбершопа");
}

#[tokio::test]
async fn a_guest_registers_is_approved_and_gets_the_menu() {
    let desk = Desk::start().await;
    applies(&desk, ANNA).await;
    let office = desk.office(OLGA);
    office.hears("Заявка №1").await;
    approves(&office).await;
    office.hears("одобрена. Решение: Ольга Смирнова").await;
    let anna = desk.talks(ANNA);
    anna.hears("Добро пожаловать в сеть").await;
    insta::assert_snapshot!(anna.transcript(), @r"
    Анна  /start
    бот   👋 Здравствуйте! Это бот сети BORODACH.

          Здесь партнёры ставят задачи головному офису и следят за своими барбершопами.

          Начнём с регистрации — она займёт пару минут.  [📝 Пройти регистрацию]
    Анна  📝 Пройти регистрацию
    бот   Поделитесь, пожалуйста, номером телефона — нажмите кнопку под полем ввода 👇  [📱 Поделиться номером] [✖️ Отмена]
    Анна  (контакт 79990000001)
    бот   Спасибо, записал 👌
    бот   Как вас зовут? Напишите фамилию, имя и отчество.  [⬅️ Назад] [✖️ Отмена]
    Анна  Петрова Анна Сергеевна
    бот   Какой у вас барбершоп? Город и адрес или торговый центр — своими словами.  [⬅️ Назад] [✖️ Отмена]
    Анна  Казань, ТЦ <Кольцо>
    бот   Записал: Казань, ТЦ <Кольцо>. Есть ещё барбершоп?  [✅ Завершить регистрацию] [➕ Добавить ещё] [⬅️ Назад] [✖️ Отмена]
    Анна  [✅ Завершить регистрацию]
    бот   Вы владелец?  [✅ Да, я владелец] [👤 Нет, сотрудник] [⬅️ Назад] [✖️ Отмена]
    Анна  [✅ Да, я владелец]
    бот   Проверьте, пожалуйста, всё ли верно:

          👤 Петрова Анна Сергеевна, владелец
          📱 +79990000001
          💈 Барбершопы:
           • Казань, ТЦ <Кольцо>  [✅ Отправить] [✏️ Телефон] [✏️ Имя] [✏️ Барбершопы] [✏️ Кто я] [⬅️ Назад] [✖️ Отмена]
    Анна  [✅ Отправить]
    бот   🎉 Готово! Заявка №1 отправлена в офис.

          Ответ придёт сюда же, обычно в течение дня.  [🔄 Проверить статус]
    бот   ✅ Добро пожаловать в сеть!

          Петрова Анна Сергеевна, заявка одобрена, и всё готово к работе.

          Барбершоп офис привяжет чуть позже — тогда появится и статистика.

          Разделы — на кнопках внизу 👇  [📋 Задачи] [📚 Полезное] [📊 Статистика] [👤 Аккаунт] [📞 Связаться] [🤖 Помощник]
    ");
    insta::assert_snapshot!(office.transcript(), @r"
    бот    🆕 Заявка №1

           👤 Петрова Анна Сергеевна, владелец
           📱 +79990000001
           💈 Барбершопы:
            • Казань, ТЦ <Кольцо>  [✅ Одобрить] [❌ Отклонить]
    Ольга  [✅ Одобрить]
    бот    Ольга Смирнова! Заявка №1 (Петрова Анна Сергеевна). Какие барбершопы привязать?

           Со слов человека:
            • Казань, ТЦ <Кольцо>

           ⚠️ YClients сейчас не отвечает, поэтому барбершопы не найти: подождите немного и поищите снова.  [🔎 Найти по названию] [🚫 Без барбершопа] [✖️ Отмена]
    Ольга  [🚫 Без барбершопа]
    бот    ✎ 🆕 Заявка №1

           👤 Петрова Анна Сергеевна, владелец
           📱 +79990000001
           💈 Барбершопы:
            • Казань, ТЦ <Кольцо>

           ✅ Одобрена. Решение: Ольга Смирнова.
    бот    ✅ Заявка №1 (Петрова Анна Сергеевна) одобрена. Решение: Ольга Смирнова. Без барбершопа.
    ");
}

#[tokio::test]
async fn of_two_who_decide_at_once_the_first_wins_and_the_second_is_told() {
    let desk = Desk::start().await;
    applies(&desk, ANNA).await;
    let (olga, pavel) = (desk.office(OLGA), desk.office(PAVEL));
    olga.hears("Заявка №1").await;
    let card = desk.sandbox.last_from_bot(crate::desk::OFFICE).expect("the card").id;
    let presses = |who, message, label| {
        desk.sandbox.presses_on(crate::desk::OFFICE, who, message, label).expect("the button is there");
    };
    presses(PAVEL, card, "✅ Одобрить");
    pavel.hears("Какие барбершопы привязать?").await;
    let question = desk.sandbox.last_from_bot(crate::desk::OFFICE).expect("the question").id;
    presses(OLGA, card, "✅ Одобрить");
    olga.heard("Какие барбершопы привязать?", 2).await;
    olga.presses("🚫 Без барбершопа");
    presses(PAVEL, question, "🚫 Без барбершопа");
    pavel.hears("уже одобрена. Решение: Ольга Смирнова").await;
}

#[tokio::test]
async fn somebody_who_stops_the_bot_is_out_of_reach_until_they_come_back() {
    let desk = Desk::start().await;
    applies(&desk, ANNA).await;
    let office = desk.office(OLGA);
    office.hears("Заявка №1").await;
    desk.sandbox.blocks(ANNA);
    approves(&office).await;
    office.hears("одобрена. Решение").await;
    desk.settled().await;
    assert_eq!(desk.reachable(ANNA).await, vec![0]);
    desk.sandbox.unblocks(ANNA);
    let anna = desk.talks(ANNA);
    anna.writes("/start");
    anna.hears("Чем помочь?").await;
    desk.settled().await;
    assert_eq!(desk.reachable(ANNA).await, vec![1]);
}
