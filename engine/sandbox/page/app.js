// The page of `borodach demo`: a phone to talk to the bot with, and a desk that shows what moves it.
// Only `message.html` is put in as markup, because the sandbox has already cleaned it; all else is text.

import { $, arrange, attempt, avatar, button, day, decimal, h, icon, lasting, link, notify, plural, quietly, redraw, safeAddress, service, size, submitting, time, tint, titled } from "./tools.js";

const model = { people: [], chats: [], bot: { name: "Бот" }, faults: [], health: null };
const talks = new Map(); // Chat id -> the last known talk: messages, reply keyboard, typing.
const speakers = new Map(); // Group id -> the person who writes there; in a private chat it is its owner.
const folds = new Map(); // "chat:person" -> the reply keyboard that was folded or unfolded by hand, and which.
const kept = Object.assign({ chat: null, seen: {}, done: {}, guide: true }, JSON.parse(sessionStorage.getItem("borodach-demo")));
let staged = { kind: "photo", files: [] }; // What waits to be sent.

/** Asks over the phone, as Telegram does; resolves to whether the person agreed. */
function ask({ title, text, yes, no }) {
  const dialog = $("ask");
  const phone = $("screen").getBoundingClientRect();
  Object.assign(dialog.style, { left: `${phone.left + phone.width / 2}px`, top: `${phone.top + phone.height / 2}px` });
  for (const [part, words] of Object.entries({ title, text, yes, no })) $(`ask-${part}`).textContent = words ?? "";
  $("ask-no").hidden = !no;
  dialog.returnValue = "no";
  if (!dialog.open) dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

// ── The sandbox ─────────────────────────────────────────────────────────────────────────────────
const { call, post } = service("/sandbox");

/** Does something in the chat on the screen as the person who holds the phone. */
function act(what) {
  const chat = kept.chat;
  return attempt(async () => {
    await post("act", { as: speaker(chat), chat, ...what });
    await refresh(chat);
  });
}

async function refreshAll() {
  Object.assign(model, await call("state"));
  if (!chatOf(kept.chat)) kept.chat = (model.chats.find((chat) => chat.kind === "private") ?? model.chats[0])?.id;
  drawChat();
  drawFaults();
  await Promise.all(model.chats.map((chat) => refresh(chat.id)));
}

const refreshing = new Map(); // Chat id -> the load in progress.
const outdated = new Set(); // Chats that have changed since they were asked for.

/** Loads a chat again. Calls that come while it loads share one more load after it. */
function refresh(chat) {
  outdated.add(chat);
  if (!refreshing.has(chat)) refreshing.set(chat, load(chat));
  return refreshing.get(chat);
}

async function load(chat) {
  try {
    while (outdated.delete(chat)) talks.set(chat, await call(`chats/${chat}?as=${speaker(chat)}`));
  } finally {
    refreshing.delete(chat);
  }
  if (talks.get(chat).typing) setTimeout(() => quietly(refresh(chat)), 2000);
  (chat === kept.chat ? drawChat : drawPeople)();
}

function listen() {
  const events = new EventSource("/sandbox/events");
  const on = (name, handle) => events.addEventListener(name, (event) => handle(event.data ? JSON.parse(event.data) : {}));
  on("chat", ({ chat }) => quietly(chatOf(chat) ? refresh(chat) : refreshAll()));
  on("state", () => quietly(refreshAll()));
  on("toast", ({ chat, person, text, alert }) => {
    if (chat !== kept.chat || person !== speaker(chat)) return;
    if (alert) ask({ title: model.bot.name, text, yes: "OK" });
    else notify(text, "calm", $("phone-toast"));
  });
  const connection = (lost) => document.body.classList.toggle("offline", lost);
  events.onerror = () => connection(true);
  events.onopen = () => { connection(false); quietly(refreshAll()); };
}

// ── Who speaks, and where ───────────────────────────────────────────────────────────────────────
const chatOf = (id) => model.chats.find((chat) => chat.id === id);
const personOf = (id) => model.people.find((person) => person.id === id);
const membersOf = (chat) => model.people.filter((person) => chat?.members.includes(person.id));
const messagesOf = (chat) => (talks.get(chat)?.messages ?? []).filter((message) => !message.deleted);

/** The person whose phone shows the chat. */
function speaker(chat) {
  const members = membersOf(chatOf(chat));
  return (members.find((person) => person.id === speakers.get(chat)) ?? members[0])?.id;
}

function unread(chat) {
  const messages = messagesOf(chat);
  const seen = kept.seen[chat] ?? 0;
  const from = (messages.at(-1)?.id ?? 0) < seen ? 0 : seen; // A fresh sandbox counts from one again.
  return messages.filter((message) => message.id > from && message.from.bot).length;
}

function openChat(chat) {
  showTab("phone");
  kept.chat = chat;
  clearDraft();
  drawChat();
  quietly(refresh(chat));
}

function drawPeople() {
  const groups = model.chats.filter((chat) => chat.kind === "group");
  const shown = model.chats.map((chat) => [chat, unread(chat.id), messagesOf(chat.id).at(-1), personOf(speaker(chat.id))]);
  const focused = document.activeElement?.dataset.chat;
  redraw($("people"), [kept.chat, shown], () => [
    ...model.chats.filter((chat) => chat.kind === "private").map(personCard),
    groups.length > 0 && h("h2", {}, "Группы офиса"),
    ...groups.map(personCard),
  ]);
  if (focused) $("people").querySelector(`[data-chat="${focused}"]`)?.focus();
}

function personCard(chat) {
  const owner = chat.kind === "private" ? personOf(speaker(chat.id)) : null;
  const name = owner?.name ?? chat.title;
  const [first, ...family] = name.split(" ");
  const last = messagesOf(chat.id).at(-1);
  const count = unread(chat.id);
  const aria = { current: String(chat.id === kept.chat), label: `${name}${count ? `, непрочитанных: ${count}` : ""}` };
  const title = owner?.phone ?? chat.title;
  return h("button", { type: "button", className: "person", title, data: { chat: chat.id }, aria, onclick: () => openChat(chat.id) },
    avatar(chat.id, name),
    h("span", { className: "person-name" }, owner ? first : name, owner && h("span", { className: "family" }, ` ${family.join(" ")}`)),
    h("span", { className: "person-last" }, owner?.blocked ? "бот заблокирован" : summaryOf(chat, last)),
    h("span", { className: "person-time" }, last ? time(last.date) : ""),
    count > 0 && h("span", { className: "badge" }, count > 99 ? "99+" : count));
}

function summaryOf(chat, message) {
  if (!message) return chat.kind === "group" ? "пока тихо" : "бот ещё не запущен";
  const { html, photo, document: file, contact, poll: asked } = message;
  const words = h("template", { innerHTML: html ?? "" }).content.textContent.replace(/\s+/g, " ");
  const text = words || (photo && "Фото") || file?.name || (contact && "Контакт") || asked?.question || "";
  return message.from.id === speaker(chat.id) ? `Вы: ${text}` : text;
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────
function drawChat() {
  const chat = chatOf(kept.chat);
  if (!chat) return;
  drawHead(chat);
  drawMessages(chat);
  drawComposer(chat);
  drawPeople();
  drawGuide();
}

function drawHead(chat) {
  const owner = chat.kind === "private" ? personOf(speaker(chat.id)) : null;
  const name = owner ? model.bot.name : chat.title;
  const typing = talks.get(chat.id)?.typing ?? false;
  const about = owner ? "бот" : plural(membersOf(chat).length + 1, "участник", "участника", "участников");
  redraw($("chat-avatar"), [chat.id, name], () => avatar(owner ? 5 : chat.id, name));
  $("chat-title").textContent = name;
  $("chat-status").textContent = typing ? "печатает" : about;
  $("chat-status").classList.toggle("typing", typing);
  $("chat-menu").hidden = !owner;
  const [verb, words] = owner?.blocked ? ["unblock", "Разблокировать бота"] : ["block", "Заблокировать бота"];
  redraw($("chat-menu-items"), verb, () => button("", () => act({ do: verb }), icon("block"), words));
}

function drawMessages(chat) {
  const box = $("messages");
  if (!talks.has(chat.id)) return box.replaceChildren();
  const me = speaker(chat.id);
  const opened = box.place !== `${chat.id}:${me}`;
  if (opened) Object.assign(box, { place: `${chat.id}:${me}`, known: new Map(), unseen: 0, follows: true });
  const drawn = new Map();
  const messages = messagesOf(chat.id);
  messages.forEach((message, at) => {
    const [before, after] = [messages[at - 1], messages[at + 1]];
    const date = day(message.date);
    if (!before || day(before.date) !== date) keep(drawn, `on ${date}`, date, () => h("div", { className: "day" }, date));
    const author = message.from.id;
    const look = { mine: author === me, group: chat.kind === "group", first: before?.from.id !== author, last: after?.from.id !== author };
    const fresh = !opened && !box.known.has(message.id);
    if (fresh && !box.follows) box.unseen += 1;
    keep(drawn, message.id, [message, look], () => bubble(message, { ...look, fresh }));
  });
  Object.assign(box, { known: drawn }).dataset.kind = chat.kind;
  arrange(box, [...drawn.values()]);
  follow();
  if (!document.hidden) kept.seen[chat.id] = messages.at(-1)?.id ?? 0;
}

/** Takes the node that was drawn for the same thing, or draws it; a redrawn message keeps the focus. */
function keep(drawn, key, shown, draw) {
  const before = $("messages").known.get(key);
  const signature = JSON.stringify(shown);
  const node = before?.signature === signature ? before : draw();
  node.signature = signature;
  drawn.set(key, node);
  const focused = node !== before && before?.contains(document.activeElement);
  if (focused) queueMicrotask(() => (node.querySelector(".inline button") ?? $("text")).focus({ preventScroll: true }));
}

/** Keeps the newest message in sight, unless the person has scrolled up to read. */
function follow(always = false) {
  const box = $("messages");
  if (always) box.follows = true;
  if (box.follows) Object.assign(box, { scrollTop: box.scrollHeight, unseen: 0 });
  $("jump").hidden = box.follows !== false;
  Object.assign($("jump-count"), { hidden: !box.unseen, textContent: box.unseen });
}

function bubble(message, { mine, group, first, last, fresh }) {
  const { from, date, html, edited, buttons, photo, document: file, contact, poll: asked } = message;
  const classes = Object.entries({ mine, first, last, fresh }).filter(([, is]) => is).map(([name]) => name);
  const shape = `${photo || buttons?.length || asked ? " wide" : ""}${photo && !html ? " bare" : ""}`;
  const inline = (row, r) => h("div", { className: "row" }, row.map((key, c) => inlineButton(message.id, key, r, c)));
  return h("article", { className: ["message", ...classes].join(" "), aria: { label: `${mine ? "Вы" : from.name}, ${time(date)}` } },
    group && !mine && (last ? avatar(from.id, from.name) : h("span", { className: "avatar none" })),
    h("div", { className: "stack" },
      h("div", { className: `bubble${shape}` },
        group && !mine && first && h("div", { className: "author", data: tint(from.id) }, from.name),
        photo && link("photo", photo, h("img", { src: safeAddress(photo), alt: "Фото" })),
        file && link("attachment", file.href, h("span", { className: "file-icon" }, icon("file")), titled(file.name, size(file.size))),
        contact && h("div", { className: "attachment" }, avatar(contact.name.length, contact.name), titled(contact.name, contact.phone)),
        asked && poll(message.id, asked),
        html && formatted(html),
        h("span", { className: "meta" }, edited && "изменено ", time(date), mine && icon("check"))),
      buttons?.length > 0 && h("div", { className: "inline" }, buttons.map(inline))));
}

function inlineButton(message, { label, url }, row, col) {
  if (url) return link("url", url, label);
  return button("", async ({ currentTarget }) => {
    currentTarget.classList.add("waiting");
    if (chatOf(kept.chat).kind === "group") kept.done.office = true;
    await act({ do: "press", message, row, col });
    setTimeout(() => currentTarget.classList.remove("waiting"), 1500);
  }, label);
}

/** The sandbox's safe HTML, with links that leave the page alone and commands that can be tapped. */
function formatted(html) {
  const text = h("div", { className: "text", innerHTML: html });
  for (const anchor of text.querySelectorAll("a")) Object.assign(anchor, { target: "_blank", rel: "noopener noreferrer" });
  for (const hidden of text.querySelectorAll("tg-spoiler, .tg-spoiler")) hidden.tabIndex = 0; // Opens while it has the focus.
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  const plain = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("a, code, pre")) plain.push(walker.currentNode);
  for (const node of plain) {
    const parts = node.data.split(/((?<=^|\s)\/[a-z]\w{0,31})/i); // Every second part is a command.
    if (parts.length > 1) node.replaceWith(...parts.map((part, at) => (at % 2 ? button("command", () => say(part), part) : part)));
  }
  return text;
}

/** A poll: a choice for whoever has not voted yet, the result for the others. */
function poll(message, { question, options, voters: total, closed, anonymous, multiple }) {
  const chose = ({ voters }) => voters.includes(speaker(kept.chat));
  const open = !closed && !options.some(chose);
  const vote = (answer) => act({ do: "vote", message, options: answer });
  const choice = ({ text }, value) => h("label", { className: "option" },
    h("input", { type: multiple ? "checkbox" : "radio", name: "option", value, onchange: ({ target }) => multiple || target.form.requestSubmit() }), text);
  const result = (option) => {
    const share = Math.round((100 * option.votes) / Math.max(total, 1));
    return h("div", { className: "result" }, h("b", {}, `${share}%`), h("span", {}, option.text, chose(option) && icon("check")),
      h("progress", { max: 100, value: share, aria: { label: option.text } }));
  };
  return h("form", { className: "poll", onsubmit: submitting((form) => vote(new FormData(form).getAll("option").map(Number))) },
    h("b", {}, question),
    h("small", {}, closed ? "Опрос завершён" : anonymous ? "Анонимный опрос" : "Опрос"),
    options.map(open ? choice : result),
    h("div", { className: "poll-foot" }, total ? plural(total, "голос", "голоса", "голосов") : "Пока нет голосов",
      open && multiple && h("button", { className: "link" }, "Проголосовать"),
      !open && !closed && button("link", () => vote([]), "Отменить голос")));
}

// ── What the person can say ─────────────────────────────────────────────────────────────────────
function say(text) {
  showTab("phone");
  follow(true);
  return act({ do: "text", text });
}

function drawComposer(chat) {
  const talk = talks.get(chat.id);
  const person = personOf(speaker(chat.id));
  const alone = chat.kind === "private";
  const began = messagesOf(chat.id).some((message) => message.from.id === person?.id);
  const start = alone && talk && !began ? ["Запустить", () => say("/start")] : null;
  const action = alone && person?.blocked ? ["Разблокировать", () => act({ do: "unblock" })] : start;
  $("big-action").hidden = !action;
  $("composer").hidden = !talk || Boolean(action);
  [$("big-action").textContent, $("big-action").onclick] = action ?? ["", null];
  $("speaker").hidden = alone;
  redraw($("speaker-choice"), [chat.id, membersOf(chat), person?.id], () => membersOf(chat).map(({ id, name }) => h("option", { value: id, selected: id === person?.id }, name)));
  const contacts = alone && person ? [person, ...model.people.filter((one) => one !== person)] : [];
  redraw($("attach-contacts"), contacts, () => contacts.map(({ id, name }) =>
    button("", () => shareContact(id), icon("person"), id === person?.id ? "Свой контакт" : `Контакт: ${name}`)));
  drawKeys(chat, action ? null : talk?.keyboard);
}

function drawKeys(chat, board) {
  const place = `${chat.id}:${speaker(chat.id)}`;
  const signature = JSON.stringify(board);
  const byHand = folds.get(place);
  const shown = Boolean(board) && (byHand?.signature === signature ? byHand.shown : !board.folded);
  $("keys").hidden = !shown;
  $("keys-toggle").hidden = !board;
  $("keys-toggle").setAttribute("aria-expanded", String(shown));
  $("keys-toggle").onclick = () => { folds.set(place, { signature, shown: !shown }); drawChat(); };
  $("text").placeholder = board?.placeholder || "Сообщение";
  const press = ({ kind, label }) => (kind === "contact" ? shareContact("self") : say(label));
  const key = (what) => button("", () => press(what), what.kind === "contact" && icon("person"), what.label);
  redraw($("keys"), [place, board], () => (board?.rows ?? []).map((row) => h("div", { className: "row" }, row.map(key))));
  follow();
}

async function shareContact(of) {
  const me = personOf(speaker(kept.chat));
  if (of !== "self" && of !== me.id) return act({ do: "contact", of });
  const text = `Бот «${model.bot.name}» узнает ваш номер: ${me.phone}.`;
  return await ask({ title: "Поделиться номером?", text, yes: "Поделиться", no: "Отмена" }) && act({ do: "contact", of: "self" });
}

/** Sets what waits to be sent: up to ten photos or ten files, as many as an album holds. */
function stage(kind, files) {
  staged = { kind, files: files.slice(0, 10) };
  $("tray").hidden = files.length === 0;
  $("tray").replaceChildren(...staged.files.map((file) => {
    const remove = button("remove", () => stage(kind, staged.files.filter((other) => other !== file)), icon("close"));
    remove.ariaLabel = `Убрать ${file.name}`;
    return h("div", { className: "staged" }, h("span", { className: "file-icon" }, icon(kind === "photo" ? "photo" : "file")),
      h("small", {}, file.name), h("small", { className: "muted" }, size(file.size)), remove);
  }));
}

async function send() {
  const chat = kept.chat;
  const text = $("text").value.trim();
  if (!text && staged.files.length === 0) return;
  follow(true);
  const sent = await (staged.files.length > 0 ? upload(chat, text) : act({ do: "text", text }));
  if (sent && kept.chat === chat) clearDraft();
}

function clearDraft() {
  $("text").value = "";
  stage("photo", []);
}

function upload(chat, caption) {
  const body = new FormData();
  if (caption) body.append("caption", caption);
  for (const file of staged.files) body.append("file", file, file.name);
  return attempt(async () => {
    await call(`upload?as=${speaker(chat)}&chat=${chat}&kind=${staged.kind}`, { method: "POST", body });
    await refresh(chat);
  });
}

// ── The desk ────────────────────────────────────────────────────────────────────────────────────
const STATUS = { ok: "работает", degraded: "с перебоями", down: "не работает", unknown: "неизвестно" };
const OVERALL = { ok: "Всё работает", degraded: "Работает с перебоями", down: "Не работает", unknown: "Нет связи с ботом" };
const PARTS = { database: "База данных", cache: "Кэш", telegram: "Telegram", bitrix24: "Битрикс24", yclients: "YClients",
  scheduler: "Расписание", scripts: "Сценарии", outbox: "Отправка", conversations: "Диалоги" };

async function watchHealth() {
  try {
    const response = await fetch("/health", { signal: AbortSignal.timeout(5000), cache: "no-store" });
    takeHealth(await response.json()); // A sick service answers 503 with the same body.
  } catch {
    drawHealth({ ...model.health, status: "unknown" });
  }
  $("clock").textContent = time(Date.now() / 1000);
  setTimeout(watchHealth, 2000);
}

function takeHealth(health) {
  const before = model.health?.parts.scripts;
  const { live, refused } = health.parts.scripts;
  model.health = health;
  if (before?.live && live && before.live.hash !== live.hash) {
    kept.done.edit = true;
    notify(`Новый набор сценариев уже в работе: ${shortHash(live)}`, "good");
  }
  if (before && refused && before.refused?.at !== refused.at) notify("Правка не принята, бот работает на прежнем наборе", "bad");
  drawHealth(health);
  drawScripts(health.parts.scripts);
  drawGuide();
}

function drawHealth({ status, version, uptime_seconds: uptime, parts = {} }) {
  const lost = status === "unknown";
  $("pulse").dataset.status = status;
  $("pulse-text").textContent = OVERALL[status] ?? status;
  $("desk-dot").hidden = status === "ok" && !parts.scripts?.refused;
  $("about").textContent = lost ? "Бот не отвечает. Запущен ли borodach demo?" : `Версия ${version}, работает ${lasting(uptime)}`;
  const rows = Object.entries(parts).filter(([, part]) => part?.status).map(([name, part]) => [PARTS[name] ?? name, lost ? { status } : part]);
  redraw($("parts"), rows, () => rows.map(([name, { status: state, latency_ms: latency, error }]) =>
    h("li", { data: { status: state } }, h("span", { className: "dot" }), h("span", {}, name),
      h("span", { className: "muted" }, state === "ok" && Number.isFinite(latency) ? `${decimal.format(latency)} мс` : STATUS[state] ?? state),
      error && h("small", {}, error))));
  const { awaiting = 0, parked = 0 } = parts.conversations ?? {};
  for (const [id, count] of Object.entries({ awaiting, parked })) $(id).textContent = decimal.format(count);
  $("parked").classList.toggle("alarm", parked > 0);
}

const shortHash = (live) => live?.hash.slice(0, 8) ?? "нет";

function drawScripts({ live, refused }) {
  const flows = live?.flows ?? [];
  $("set-hash").textContent = shortHash(live);
  $("set-about").textContent = live
    ? `${plural(flows.length, "сценарий", "сценария", "сценариев")}, в работе с ${time(live.since / 1000)}, уже ${lasting((Date.now() - live.since) / 1000)}`
    : "Живого набора ещё нет: исправьте ошибку, и он появится сам";
  if (live) $("set-folder").textContent = $("guide-folder").textContent = live.folder;
  redraw($("flows"), flows, () => flows.map(({ name, title, triggers }) =>
    h("li", {}, h("b", {}, title), h("code", {}, name), h("span", { className: "triggers" }, triggers.map(trigger)))));
  redraw($("refusal"), [refused, !live], () => refused && h("div", { className: "refusal", role: "alert" },
    h("p", {}, h("b", {}, `Правка от ${time(refused.at / 1000)} не принята.`), live && " Бот продолжает работать на прежнем наборе."),
    report(refused.report)));
}

const trigger = (text) => (text.startsWith("/") ? button("chip", () => say(text), text) : h("span", { className: "chip" }, text));

/** What the checks have found, line by line: the place, the line of the script and the mark under it stand out. */
function report(text) {
  const kinds = [[/\.rhai:\d+/, "place"], [/^[\s│|·]*[\^~]+/, "caret"], [/^\s*\d*\s*[│|]/, "source"]];
  const kind = (line) => kinds.find(([pattern]) => pattern.test(line))?.[1] ?? "words";
  return h("pre", { tabIndex: 0 }, text.trimEnd().split("\n").map((line) => h("span", { className: kind(line) }, line || " ")));
}

const switches = [...document.querySelectorAll("[data-fault]")]; // Each carries the body of its request.
const faultOf = (element) => JSON.parse(element.dataset.fault);
const changeFaults = (change) => attempt(async () => { await change(); await refreshAll(); });

function drawFaults() {
  for (const element of switches) element.classList.toggle("active", model.faults.some(({ kind }) => kind === faultOf(element).kind));
  redraw($("faults-active"), model.faults, () => (model.faults.length ? model.faults.map(faultChip) : h("li", { className: "muted" }, "Сейчас сбоев нет")));
  $("faults-clear").disabled = model.faults.length === 0;
}

function faultChip({ kind, method, times }) {
  const title = switches.find((element) => faultOf(element).kind === kind)?.firstElementChild.textContent ?? kind;
  const left = Number.isFinite(times) ? `, ещё ${plural(times, "вызов", "вызова", "вызовов")}` : "";
  return h("li", { className: "chip" }, h("b", {}, title), ` ${(method ?? "*") === "*" ? "любой метод" : method}${left}`);
}

function addFault(element) {
  const scope = { method: $("fault-method").value, times: Number(document.querySelector("[name=times]:checked").value) };
  return changeFaults(() => post("faults", { ...scope, ...faultOf(element) }));
}

function drawGuide() {
  const spoke = (chat) => chat.kind === "private" && messagesOf(chat.id).some((message) => !message.from.bot);
  const done = { ...kept.done, begun: model.chats.some(spoke) };
  $("guide").hidden = !kept.guide;
  for (const step of document.querySelectorAll("[data-step]")) step.classList.toggle("done", done[step.dataset.step] === true);
}

// ── Wiring ──────────────────────────────────────────────────────────────────────────────────────
const tabs = [...document.querySelectorAll("[data-tab-name]")];

function showTab(name) {
  document.body.dataset.tab = name;
  for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.tabName === name));
}

/** Closes the open menus but the one that `target` is in; a chosen item closes its own as well. */
function closeMenus(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = menu.contains(target) && !target.closest(".menu-items");
}

function wire() {
  const on = (id, event, handle) => $(id).addEventListener(event, handle);
  for (const tab of tabs) tab.addEventListener("click", () => showTab(tab.dataset.tabName));
  for (const element of switches) element.addEventListener("click", () => addFault(element));
  for (const kind of ["photo", "document"]) {
    on(`attach-${kind}`, "click", () => $(`pick-${kind}`).click());
    on(`pick-${kind}`, "change", ({ target }) => {
      stage(kind, [...(staged.kind === kind ? staged.files : []), ...target.files]);
      target.value = "";
      $("text").focus();
    });
  }
  on("composer", "submit", submitting(send));
  const enter = ({ key, shiftKey, isComposing }) => key === "Enter" && !shiftKey && !isComposing;
  on("text", "keydown", (event) => enter(event) && submitting(send)(event));
  on("speaker-choice", "change", ({ target }) => { speakers.set(kept.chat, Number(target.value)); drawChat(); quietly(refresh(kept.chat)); });
  const nearEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  on("messages", "scroll", ({ target: box }) => { box.follows = nearEnd(box); follow(); });
  $("messages").addEventListener("load", () => follow(), true); // A photo has come and made the talk longer.
  new ResizeObserver(() => follow()).observe($("messages"));
  on("jump", "click", () => follow(true));
  on("faults-clear", "click", () => changeFaults(() => call("faults", { method: "DELETE" })));
  on("guide-close", "click", () => { kept.guide = false; drawGuide(); });
  document.addEventListener("click", ({ target }) => closeMenus(target));
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") closeMenus(null); });
  document.addEventListener("visibilitychange", drawChat);
  window.addEventListener("pagehide", () => sessionStorage.setItem("borodach-demo", JSON.stringify(kept)));
}

wire();
listen();
watchHealth();
