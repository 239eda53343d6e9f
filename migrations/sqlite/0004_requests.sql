-- What the office says of itself, and what each person wants to be told.

-- Buttons of «Полезное»: a department's, each with a text.
create table content_button (
    id         integer not null primary key autoincrement,
    department text    not null, -- its name in config.yaml
    title      text    not null, -- what stands on the button
    html       text    not null, -- Telegram's HTML, cleaned
    place      integer not null  -- in the department, from the least
) strict;

create index content_button_place on content_button (department, place, id);

-- Texts by their names.
create table setting (
    name  text not null primary key, -- contacts
    value text not null              -- Telegram's HTML, cleaned
) strict;

-- What a person does not want to be told; what is not here is told.
create table notification_off (
    user_id integer not null references partner (user_id) on delete cascade,
    name    text    not null check (name in
        ('task_moved', 'task_commented', 'task_completed', 'weekly_report', 'reminders')),
    primary key (user_id, name)
) strict;

insert into setting (name, value) values ('contacts', '<b>Головной офис BORODACH</b>

Отвечаем по будням с 10:00 до 19:00 по Москве.
Быстрее всего — задачей отделу: «📋 Задачи» → «🆕 Новая задача».');

insert into content_button (department, title, html, place) values
    ('development', '🚀 Как открыть ещё один барбершоп', '<b>Ещё один барбершоп</b>

1. Расскажите о месте задачей отделу развития: город, адрес, площадь, аренда.
2. Отдел посмотрит на место и соседей и ответит в комментарии.
3. Когда договор подписан, добавьте барбершоп в разделе «👤 Аккаунт» — тогда появится и его статистика.', 1),
    ('marketing', '📢 Как заказать рекламу', '<b>Реклама</b>

Поставьте задачу отделу маркетинга и напишите: что продвигаем, где, с какого числа и на какой бюджет. Чем раньше, тем лучше: на подготовку нужно около недели.', 1),
    ('design', '🎨 Какие нужны макеты', '<b>Макеты</b>

В задаче отделу дизайна укажите размер, срок и где это будет висеть, приложите фото места. Готовые файлы отдел пришлёт в комментарии.', 1);
