//! The host's own words to people: the way out of a question, an answer that does not fit, and bad news.
//! Everything else that people read is said by flows.

use chrono::NaiveDate;

use crate::telegram::html::escape;

pub(crate) const BACK: &str = "⬅️ Назад";
pub(super) const CANCEL: &str = "✖️ Отмена";
pub(super) const DONE: &str = "✅ Готово";

pub(super) const WANT_TEXT: &str = "Напишите, пожалуйста, словами 🙂";
pub(super) const WANT_NUMBER: &str = "Нужно целое число — напишите его цифрами.";
pub(super) const WANT_CHOICE: &str = "Выберите, пожалуйста, одну из кнопок под вопросом.";
pub(super) const WANT_CONTACT: &str =
    "Нажмите, пожалуйста, кнопку под полем ввода — так номер точно будет верным.";
pub(super) const WANT_FILES: &str = "Пришлите, пожалуйста, фото или файл.";
pub(super) const WANT_DATE: &str = "Напишите дату цифрами, например 05.12.2026.";
pub(super) const FOREIGN_CONTACT: &str =
    "Это контакт другого человека. Поделитесь, пожалуйста, своим — кнопкой под полем ввода.";
pub(super) const STRANGE_PHONE: &str =
    "Номер выглядит непривычно. Поделитесь им ещё раз кнопкой под полем ввода.";
pub(super) const FILE_TAKEN: &str = "Принято 👍 Пришлите ещё или нажмите «Готово».";
pub(super) const SEARCH_HINT: &str = "Список длинный: листайте или напишите часть названия.";
pub(super) const OLD_BUTTON: &str = "Эта кнопка уже не действует.";
pub(super) const OLD_BUTTON_NOW: &str = "Эта кнопка уже не действует. Сейчас вопрос такой:";
pub(super) const REMINDER: &str = "Напоминаю, остался вопрос:";

pub(super) fn too_short(min: usize) -> String {
    format!("Коротковато — нужно не меньше {min} {}.", letters(min))
}

pub(super) fn too_long(length: usize, max: usize) -> String {
    format!("Длинновато: {length} {}, а помещается {max}. Сократите, пожалуйста.", letters_counted(length))
}

pub(super) fn at_least(min: usize) -> String {
    format!("Отметьте хотя бы {min}, потом «Готово».")
}

pub(super) fn at_most(max: usize) -> String {
    format!("Можно отметить не больше {max}. Снимите лишнее, чтобы добавить другое.")
}

pub(super) fn files_taken(count: usize) -> String {
    format!("Принято файлов: {count} 👍 Пришлите ещё или нажмите «Готово».")
}

pub(super) fn at_most_files(max: usize) -> String {
    format!("Больше {max} файлов не поместится. Нажмите «Готово».")
}

pub(super) fn nothing_found(query: &str) -> String {
    format!("По запросу «{}» ничего не нашлось. Попробуйте другое слово.", escape(query.trim()))
}

pub(super) fn found_of(found: usize, all: usize) -> String {
    format!("Нашлось {found} из {all}.")
}

pub(super) fn out_of(min: Option<i64>, max: Option<i64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("Нужно число от {min} до {max}."),
        (Some(min), None) => format!("Нужно число не меньше {min}."),
        (_, Some(max)) => format!("Нужно число не больше {max}."),
        (None, None) => WANT_NUMBER.to_owned(),
    }
}

pub(super) fn out_of_days(min: Option<NaiveDate>, max: Option<NaiveDate>) -> String {
    let day = |date: NaiveDate| date.format("%d.%m.%Y");
    match (min, max) {
        (Some(min), Some(max)) => format!("Нужна дата с {} по {}.", day(min), day(max)),
        (Some(min), None) => format!("Нужна дата не раньше {}.", day(min)),
        (_, Some(max)) => format!("Нужна дата не позже {}.", day(max)),
        (None, None) => WANT_DATE.to_owned(),
    }
}

/// The calm sentence for a failure; `number` finds its whole story in the log.
pub(super) fn failure(number: i64) -> String {
    format!(
        "Что-то сломалось у нас, не у вас. Ваши ответы сохранены, мы уже разбираемся.\n\
         Номер случая: <b>{number}</b>. Вернуться в начало — /start"
    )
}

/// What the office hears when a write is in doubt and no flow asks about it.
pub(super) const NOBODY_ASKS: &str = "⚠️ Неясно, дошла ли до места запись в чужой сервис, а спросить об этом некому: \
     в flows/ нет разговора с on: [event(\"write.in_doubt\")]. Все такие записи видны на /health, in_doubt.";

/// The calm sentence when nobody knows yet whether something was done.
pub(super) fn in_doubt(number: i64) -> String {
    format!(
        "Связь оборвалась на полпути, и пока неясно, дошло ли всё до места. Повторять не нужно: я проверю и напишу.\n\
         Номер случая: <b>{number}</b>"
    )
}

/// What a person hears when a service is away and the flow has no words of its own for that.
pub(super) const PUT_OFF: &str =
    "Принято. Нужный сервис сейчас не отвечает — сделаю, как только он вернётся, и напишу. Ждать не нужно.";

/// One polite warning to somebody who writes too fast.
pub const TOO_FAST: &str = "Вы пишете быстрее, чем я успеваю читать 🙂 Подождите пару секунд, пожалуйста.";

fn letters(n: usize) -> &'static str {
    if n % 10 == 1 && n % 100 != 11 { "буквы" } else { "букв" }
}

fn letters_counted(n: usize) -> &'static str {
    match (n % 10, n % 100) {
        (_, 11..=14) => "знаков",
        (1, _) => "знак",
        (2..=4, _) => "знака",
        _ => "знаков",
    }
}
