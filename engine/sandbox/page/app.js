// The page of `borodach demo`: a phone to talk to the bot with, and a desk that shows what it is made of.
// Only `message.html` is put in as markup, because the sandbox has already cleaned it; all else is text.

const $ = (id) => document.getElementById(id);
const model = { people: [], chats: [], bot: { name: "Бот" }, faults: [], health: null };
const talks = new Map(); // Chat id -> the last known talk: messages, reply keyboard, typing.
const speakers = new Map(); // Group id -> the person who writes there; in a private chat it is its owner.
const keysHidden = new Map(); // "chat:person" -> the reply keyboard that was folded away.
const kept = remember("borodach-demo", { chat: null, seen: {}, done: {}, guide: true });
let staged = { kind: "photo", files: [] };

// ── Small tools ─────────────────────────────────────────────────────────────────────────────────

/** Makes an element; `props` are properties, `on…` are listeners, `data` and `aria` are attributes. */
function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) element.setAttribute(`aria-${key}`, text);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(space, "use"));
  svg.firstChild.setAttribute("href", `#i-${name}`);
  return svg;
}

/** An object that outlives a reload of the tab, but not the tab. */
function remember(name, initial) {
  const value = { ...initial, ...JSON.parse(sessionStorage.getItem(name) ?? "{}") };
  return new Proxy(value, { set: (all, key, next) => { all[key] = next; sessionStorage.setItem(name, JSON.stringify(all)); return true; } });
}

/** Puts `nodes` under `parent` and touches only what differs, so that focus and scroll survive. */
function arrange(parent, nodes) {
  nodes.forEach((node, at) => { if (parent.childNodes[at] !== node) parent.insertBefore(node, parent.childNodes[at] ?? null); });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

/** Redraws `parent` only if what it shows has changed. */
function redraw(parent, shown, draw) {
  const signature = JSON.stringify(shown);
  if (parent.drawn === signature) return;
  parent.drawn = signature;
  parent.replaceChildren(...[draw()].flat());
}

const clockFormat = new Intl.DateTimeFormat("ru", { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("ru", { day: "numeric", month: "long" });
const numberFormat = new Intl.NumberFormat("ru", { maximumFractionDigits: 1 });
const pluralRules = new Intl.PluralRules("ru");
const time = (seconds) => clockFormat.format(seconds * 1000);

function day(seconds) {
  const text = dayFormat.format(seconds * 1000);
  return text === dayFormat.format(Date.now()) ? "Сегодня" : text;
}

/** `3, ["вызов", "вызова", "вызовов"]` → «3 вызова». */
function plural(count, [one, few, many]) {
  return `${numberFormat.format(count)} ${{ one, few }[pluralRules.select(count)] ?? many}`;
}

function size(bytes) {
  const units = ["Б", "КБ", "МБ", "ГБ"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${numberFormat.format(bytes / 1024 ** power)} ${units[power]}`;
}

function lasting(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} с`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} мин`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} ч ${Math.floor(seconds / 60) % 60} мин` : plural(Math.floor(seconds / 86400), ["день", "дня", "дней"]);
}

const ago = (milliseconds) => (Date.now() - milliseconds < 5000 ? "только что" : `${lasting((Date.now() - milliseconds) / 1000)} назад`);

/** An address that may be followed: web, Telegram, mail, phone or our own server; anything else is refused. */
function safeAddress(address) {
  const url = URL.parse?.(address, location.href) ?? (URL.canParse(address, location.href) ? new URL(address, location.href) : null);
  return ["http:", "https:", "tg:", "mailto:", "tel:"].includes(url?.protocol) ? url.href : null;
}

function avatar(id, name) {
  const words = name.replace(/[^\p{L}\p{N}\s]/gu, "").trim().split(/\s+/);
  const initials = words.slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
  return h("span", { className: "avatar", data: { tint: Math.abs(id) % 7 }, aria: { hidden: "true" } }, initials || "•");
}

function notify(text, tone = "calm") {
  const notice = h("div", { className: "notice", data: { tone } }, text);
  $("notices").append(notice);
  setTimeout(() => notice.remove(), 5000);
}

/** Asks over the phone, as Telegram does; resolves to whether the person agreed. */
function ask({ title, text, yes, no }) {
  const dialog = $("ask");
  const phone = $("screen").getBoundingClientRect();
  dialog.style.left = `${phone.left + phone.width / 2}px`;
  dialog.style.top = `${phone.top + phone.height / 2}px`;
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-yes").textContent = yes;
  $("ask-no").textContent = no ?? "";
  $("ask-no").hidden = !no;
  dialog.returnValue = "no";
  dialog.showModal();
  $("ask-yes").focus();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

// ── The sandbox ─────────────────────────────────────────────────────────────────────────────────

async function call(path, options) {
  const response = await fetch(`/sandbox/${path}`, options);
  if (!response.ok) throw new Error((await response.text()).slice(0, 200) || `ответ ${response.status}`);
  return response.headers.get("content-type")?.includes("json") ? response.json() : null;
}

const post = (path, body) => call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/** Does something in the chat on the screen as the person who holds the phone; says whether it worked. */
async function act(what) {
  const chat = kept.chat;
  return attempt(async () => {
    await post("act", { as: speaker(chat), chat, ...what });
    await refresh(chat);
  });
}

async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    notify(`Не получилось: ${error.message}`, "bad");
    return false;
  }
}

async function refreshState() {
  Object.assign(model, await call("state"));
  if (!chatOf(kept.chat)) kept.chat = model.chats[0]?.id ?? null;
  drawChat();
  drawFaults();
}

const refreshing = new Set();
const outdated = new Set();

/** Loads a chat again. Calls that come while it loads become one more load after it. */
async function refresh(chat) {
  if (!chatOf(chat)) return;
  if (refreshing.has(chat)) return void outdated.add(chat);
  refreshing.add(chat);
  try {
    do {
      outdated.delete(chat);
      talks.set(chat, await call(`chats/${chat}?as=${speaker(chat)}`));
    } while (outdated.has(chat));
  } finally {
    refreshing.delete(chat);
  }
  if (talks.get(chat).typing) setTimeout(() => refresh(chat).catch(() => {}), 2000);
  if (chat === kept.chat) drawChat();
  else drawPeople();
}

// Refreshing goes on while the event stream is down: the stream is a hint, as a push on a phone is.
function listen() {
  const events = new EventSource("/sandbox/events");
  const on = (name, handle) => events.addEventListener(name, (event) => handle(event.data ? JSON.parse(event.data) : {}));
  on("chat", ({ chat }) => (chatOf(chat) ? refresh(chat) : refreshAll()).catch(() => {}));
  on("state", () => refreshAll().catch(() => {}));
  on("toast", ({ chat, person, text, alert }) => {
    if (chat !== kept.chat || person !== speaker(chat)) return;
    if (alert) ask({ title: model.bot.name, text, yes: "OK" });
    else phoneToast(text);
  });
  events.onopen = () => { document.body.classList.remove("offline"); refreshAll().catch(() => {}); };
  events.onerror = () => document.body.classList.add("offline");
}

async function refreshAll() {
  await refreshState();
  await Promise.all(model.chats.map((chat) => refresh(chat.id)));
}

// ── Who speaks, and where ───────────────────────────────────────────────────────────────────────

const chatOf = (id) => model.chats.find((chat) => chat.id === id);
const personOf = (id) => model.people.find((person) => person.id === id);
const membersOf = (chat) => model.people.filter((person) => chat.members.includes(person.id) || person.chats.includes(chat.id));
const seenMessages = (chat) => (talks.get(chat)?.messages ?? []).filter((message) => !message.deleted);

function speaker(chat) {
  const members = membersOf(chatOf(chat));
  return members.some((person) => person.id === speakers.get(chat)) ? speakers.get(chat) : members[0]?.id;
}

function unread(chat) {
  const messages = seenMessages(chat);
  const seen = kept.seen[chat] ?? 0;
  const from = (messages.at(-1)?.id ?? 0) < seen ? 0 : seen; // A fresh sandbox counts from one again.
  return messages.filter((message) => message.id > from && message.from.bot).length;
}

function markSeen(chat) {
  const last = seenMessages(chat).at(-1)?.id ?? 0;
  if (kept.seen[chat] !== last) kept.seen = { ...kept.seen, [chat]: last };
}

function openChat(chat) {
  kept.chat = chat;
  staged = { kind: "photo", files: [] };
  $("messages").drawn = null;
  $("text").value = "";
  drawTray();
  drawChat();
  toBottom();
  refresh(chat).catch(() => {});
}

function plainText(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.textContent;
}

function summaryOf(chat, message) {
  if (!message) return chat.kind === "group" ? "пока тихо" : "ещё не знаком с ботом";
  const kind = message.photo ? "Фото" : message.document ? message.document.name : message.contact ? "Контакт" : message.poll ? message.poll.question : "";
  const text = plainText(message.html ?? "").replace(/\s+/g, " ") || kind;
  return `${message.from.id === speaker(chat.id) ? "Вы: " : ""}${text}`;
}

function drawPeople() {
  const card = (chat) => {
    const owner = chat.kind === "private" ? personOf(speaker(chat.id)) : null;
    const name = owner?.name ?? chat.title;
    const last = seenMessages(chat.id).at(-1);
    const count = unread(chat.id);
    return h("button", { type: "button", className: "person", onclick: () => { openChat(chat.id); showTab("phone"); }, data: { chat: chat.id }, title: owner?.phone ?? chat.title,
      aria: { current: String(chat.id === kept.chat), label: `${name}${count ? `, непрочитанных: ${count}` : ""}` } },
      avatar(chat.id, name),
      h("span", { className: "person-name" }, name),
      h("span", { className: "person-last" }, owner?.blocked ? "бот заблокирован" : summaryOf(chat, last)),
      h("span", { className: "person-time" }, last ? time(last.date) : ""),
      count > 0 && h("span", { className: "badge" }, count > 99 ? "99+" : String(count)));
  };
  const focused = document.activeElement?.dataset?.chat;
  const groups = model.chats.filter((chat) => chat.kind === "group");
  const shown = model.chats.map((chat) => [chat, unread(chat.id), seenMessages(chat.id).at(-1), personOf(speaker(chat.id))]);
  redraw($("people"), [kept.chat, shown], () => [
    ...model.chats.filter((chat) => chat.kind === "private").map(card),
    groups.length > 0 && h("h2", {}, "Группы офиса"), ...groups.map(card)].filter(Boolean));
  if (focused) $("people").querySelector(`[data-chat="${focused}"]`)?.focus();
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────

const nearBottom = () => { const box = $("messages"); return box.scrollHeight - box.scrollTop - box.clientHeight < 80; };
function toBottom() { $("messages").scrollTop = $("messages").scrollHeight; }

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
  const group = chat.kind === "group";
  const name = group ? chat.title : model.bot.name;
  redraw($("chat-avatar"), [chat.id, name], () => avatar(group ? chat.id : 5, name));
  $("chat-title").textContent = name;
  const typing = talks.get(chat.id)?.typing ?? false;
  $("chat-status").classList.toggle("typing", typing);
  $("chat-status").textContent = typing ? "печатает" : group ? plural(membersOf(chat).length + 1, ["участник", "участника", "участников"]) : "бот";
  const owner = group ? null : personOf(speaker(chat.id));
  $("chat-menu").hidden = !owner;
  if (owner) redraw($("chat-menu-items"), owner, () => h("button", { type: "button", onclick: () => act({ do: owner.blocked ? "unblock" : "block" }) },
    icon("block"), owner.blocked ? "Разблокировать бота" : "Заблокировать бота"));
}

function drawMessages(chat) {
  const box = $("messages");
  const talk = talks.get(chat.id);
  if (!talk) return box.replaceChildren();
  const me = speaker(chat.id);
  const opened = box.drawn !== `${chat.id}:${me}`;
  if (opened) { box.nodes = new Map(); box.unseen = 0; }
  box.drawn = `${chat.id}:${me}`;
  const stick = opened || nearBottom();
  const messages = seenMessages(chat.id);
  const nodes = new Map();
  const order = [];
  messages.forEach((message, at) => {
    if (at === 0 || day(messages[at - 1].date) !== day(message.date)) order.push(keep(nodes, `day ${day(message.date)}`, null, () => h("div", { className: "day" }, day(message.date))));
    const look = { mine: message.from.id === me, group: chat.kind === "group", first: messages[at - 1]?.from.id !== message.from.id, last: messages[at + 1]?.from.id !== message.from.id };
    order.push(keep(nodes, message.id, [message, look], () => bubble(message, look, !opened && !box.nodes.has(message.id))));
    if (!stick && !box.nodes.has(message.id)) box.unseen += 1;
  });
  if (messages.length === 0) order.push(keep(nodes, "empty", null, () => h("div", { className: "empty" }, h("b", {}, "Здесь пока ничего нет"),
    chat.kind === "group" ? "Сюда бот приносит заявки и вопросы для офиса." : "Нажмите «Запустить»: бот ответит так же, как ответил бы в Telegram.")));
  box.nodes = nodes;
  arrange(box, order);
  if (stick) toBottom();
  if (!document.hidden) markSeen(chat.id);
  drawJump();
}

/** Takes the node drawn before for the same thing, or draws it; a redrawn message keeps the focus. */
function keep(nodes, key, shown, draw) {
  const before = $("messages").nodes.get(key);
  const signature = JSON.stringify(shown);
  if (before?.signature === signature) return nodes.set(key, before), before;
  const node = draw();
  node.signature = signature;
  if (before?.contains(document.activeElement)) queueMicrotask(() => (node.querySelector(".inline button") ?? $("text")).focus({ preventScroll: true }));
  nodes.set(key, node);
  return node;
}

function drawJump() {
  const box = $("messages");
  if (nearBottom()) box.unseen = 0;
  $("jump").hidden = nearBottom();
  $("jump-count").hidden = !box.unseen;
  $("jump-count").textContent = box.unseen;
}

function bubble(message, { mine, group, first, last }, fresh) {
  const wide = message.photo || message.buttons?.length || message.poll;
  return h("article", { className: ["message", mine && "mine", first && "first", last && "last", fresh && "fresh"].filter(Boolean).join(" "), aria: { label: `${mine ? "Вы" : message.from.name}, ${time(message.date)}` } },
    group && !mine && (last ? avatar(message.from.id, message.from.name) : h("span", { className: "avatar none" })),
    h("div", { className: "stack" },
      h("div", { className: `bubble${wide ? " wide" : ""}${message.photo ? " with-photo" : ""}` },
        group && !mine && first && h("div", { className: "author", data: { tint: Math.abs(message.from.id) % 7 } }, message.from.name),
        message.photo && photo(message.photo),
        message.document && documentCard(message.document),
        message.contact && h("div", { className: "attachment" }, avatar(message.contact.name.length, message.contact.name), h("span", {}, h("b", {}, message.contact.name), h("small", {}, message.contact.phone))),
        message.poll && poll(message),
        message.html && formatted(message.html),
        h("span", { className: "meta" }, message.edited && "изменено ", time(message.date), mine && icon("check"))),
      message.buttons?.length > 0 && h("div", { className: "inline" }, message.buttons.map((row, r) => h("div", { className: "row" }, row.map((button, c) => inlineButton(message, button, r, c)))))));
}

function inlineButton(message, button, row, col) {
  if (button.url) return h("a", { className: "url", href: safeAddress(button.url), target: "_blank", rel: "noopener noreferrer" }, button.label);
  return h("button", { type: "button", onclick: async ({ currentTarget }) => {
    currentTarget.classList.add("waiting");
    if (chatOf(kept.chat).kind === "group") kept.done = { ...kept.done, office: true };
    await act({ do: "press", message: message.id, row, col });
    setTimeout(() => currentTarget.classList.remove("waiting"), 1500);
  } }, button.label);
}

function photo(address) {
  const open = () => { $("viewer-image").src = safeAddress(address); $("viewer").showModal(); };
  return h("button", { type: "button", className: "photo", onclick: open, aria: { label: "Открыть фото" } },
    h("img", { src: safeAddress(address), alt: "Фото", loading: "lazy", onload: () => nearBottomAfterImage() }));
}

function documentCard({ name, size: bytes, href }) {
  return h("a", { className: "attachment", href: safeAddress(href), download: name }, h("span", { className: "file-icon" }, icon("file")), h("span", {}, h("b", {}, name), h("small", {}, size(bytes))));
}

/** The sandbox's safe HTML, with links that leave the page alone and commands that can be tapped. */
function formatted(html) {
  const text = h("div", { className: "text", innerHTML: html });
  for (const link of text.querySelectorAll("a")) Object.assign(link, { target: "_blank", rel: "noopener noreferrer" });
  for (const spoiler of text.querySelectorAll("tg-spoiler, .tg-spoiler")) spoiler.addEventListener("click", () => spoiler.classList.add("open"));
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT, (node) => (node.parentElement.closest("a, code, pre") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
  const found = [];
  while (walker.nextNode()) if (/(^|\s)\/[a-z]/i.test(walker.currentNode.data)) found.push(walker.currentNode);
  for (const node of found) {
    node.replaceWith(...node.data.split(/((?<=^|\s)\/[a-z]\w{0,31})/i).map((part, at) =>
      (at % 2 ? h("button", { type: "button", className: "command", onclick: () => say(part) }, part) : part)));
  }
  return text;
}

/** A poll in the Bot API's own words, and `chosen`: what the person who looks has voted for. */
function poll({ id, poll: { question, options, total_voter_count: total, is_closed, is_anonymous, allows_multiple_answers, chosen = [] } }) {
  const open = !is_closed && chosen.length === 0;
  const picked = new Set();
  const vote = (answer) => act({ do: "vote", message: id, options: answer });
  const send = h("button", { type: "button", className: "link", disabled: true, onclick: () => vote([...picked]) }, "Проголосовать");
  const pick = (index, button) => {
    if (!allows_multiple_answers) return vote([index]);
    if (!picked.delete(index)) picked.add(index);
    button.setAttribute("aria-pressed", String(picked.has(index)));
    send.disabled = picked.size === 0;
  };
  const choice = ({ text }, index) => h("button", { type: "button", className: "option", aria: { pressed: "false" }, onclick: (event) => pick(index, event.currentTarget) },
    h("span", { className: `mark${allows_multiple_answers ? " square" : ""}` }), h("span", {}, text));
  const result = ({ text, voter_count }, index) => {
    const share = total ? Math.round((100 * voter_count) / total) : 0;
    const bar = h("span", { className: "bar" });
    bar.style.width = `${Math.max(share, 1)}%`;
    return h("div", { className: "result" }, h("span", { className: "share" }, `${share}%`), h("span", {}, text, chosen.includes(index) && icon("check")), bar);
  };
  return h("div", { className: "poll" }, h("b", {}, question),
    h("small", {}, is_closed ? "Опрос завершён" : is_anonymous ? "Анонимный опрос" : "Опрос"),
    options.map(open ? choice : result),
    h("div", { className: "poll-foot" }, total ? plural(total, ["голос", "голоса", "голосов"]) : "Пока нет голосов",
      open && allows_multiple_answers && send,
      !open && !is_closed && h("button", { type: "button", className: "link", onclick: () => vote([]) }, "Отменить голос")));
}

function nearBottomAfterImage() {
  const box = $("messages");
  if (box.scrollHeight - box.scrollTop - box.clientHeight < 480) toBottom();
}

function phoneToast(text) {
  const toast = h("span", {}, text);
  $("phone-toast").replaceChildren(toast);
  setTimeout(() => toast.remove(), 3500);
}

// ── What the person can say ─────────────────────────────────────────────────────────────────────

async function say(text) {
  showTab("phone");
  toBottom();
  await act({ do: "text", text });
  toBottom();
}

function drawComposer(chat) {
  const talk = talks.get(chat.id);
  const person = personOf(speaker(chat.id));
  const started = chat.kind === "group" || seenMessages(chat.id).some((message) => message.from.id === person?.id);
  const action = person?.blocked && chat.kind === "private" ? ["Разблокировать", () => act({ do: "unblock" })] : talk && !started ? ["Запустить", () => say("/start")] : null;
  $("big-action").hidden = !action;
  $("composer").hidden = Boolean(action) || !talk;
  if (action) [$("big-action").textContent, $("big-action").onclick] = action;
  $("speaker").hidden = chat.kind !== "group";
  redraw($("speaker-choice"), [chat.id, membersOf(chat), person?.id], () => membersOf(chat).map(({ id, name }) => h("option", { value: id, selected: id === person?.id }, name)));
  redraw($("attach-items"), [chat.id, person?.id, model.people], () => [
    h("button", { type: "button", onclick: () => $("pick-photo").click() }, icon("photo"), "Фото"),
    h("button", { type: "button", onclick: () => $("pick-document").click() }, icon("file"), "Файл"),
    ...(chat.kind === "private" ? model.people.map(({ id, name }) => h("button", { type: "button", onclick: () => shareContact(id) }, icon("person"), id === person?.id ? "Свой контакт" : `Чужой контакт: ${name}`)) : [])]);
  drawKeys(chat, talk, Boolean(action));
}

function drawKeys(chat, talk, closed) {
  const board = closed ? null : talk?.keyboard;
  const place = `${chat.id}:${speaker(chat.id)}`;
  const signature = JSON.stringify(board);
  const hidden = !board || keysHidden.get(place) === signature;
  const stick = nearBottom();
  $("keys").hidden = hidden;
  $("keys-toggle").hidden = !board;
  $("keys-toggle").setAttribute("aria-expanded", String(!hidden));
  $("text").placeholder = board?.placeholder || "Сообщение";
  redraw($("keys"), [place, board], () => (board?.rows ?? []).map((row) => h("div", { className: "row" }, row.map((button) =>
    h("button", { type: "button", onclick: () => pressKey(button, board, place) }, button.kind === "contact" && icon("person"), button.label)))));
  $("keys-toggle").onclick = () => { if (!keysHidden.delete(place)) keysHidden.set(place, signature); drawChat(); };
  if (stick) toBottom();
}

async function pressKey(button, board, place) {
  const sent = button.kind === "contact" ? await shareContact("self") : (await say(button.label), true);
  if (sent && board.one_time && JSON.stringify(talks.get(kept.chat)?.keyboard) === JSON.stringify(board)) keysHidden.set(place, JSON.stringify(board));
}

async function shareContact(of) {
  const me = speaker(kept.chat);
  if (of === "self" || of === me) {
    const agreed = await ask({ title: "Поделиться номером?", text: `Бот «${model.bot.name}» узнает ваш номер: ${personOf(me)?.phone ?? "скрыт"}.`, yes: "Поделиться", no: "Отмена" });
    return agreed && act({ do: "contact", of: "self" });
  }
  return act({ do: "contact", of });
}

function stage(kind, files) {
  if (files.length === 0) return;
  staged = { kind, files: [...(staged.kind === kind ? staged.files : []), ...files].slice(0, 10) };
  drawTray();
  $("text").focus();
}

function drawTray() {
  $("tray").hidden = staged.files.length === 0;
  $("tray").replaceChildren(...staged.files.map((file) => h("div", { className: "staged" },
    staged.kind === "photo" ? thumbnail(file) : h("span", { className: "file-icon" }, icon("file")),
    h("small", {}, file.name), h("small", { className: "muted" }, size(file.size)),
    h("button", { type: "button", className: "remove", aria: { label: `Убрать ${file.name}` }, onclick: () => { staged.files = staged.files.filter((other) => other !== file); drawTray(); } }, icon("close")))));
}

/** A canvas, because the page's policy lets no image in that is not from the server. */
function thumbnail(file) {
  const canvas = h("canvas", { width: 112, height: 112 });
  createImageBitmap(file).then((image) => {
    const side = Math.min(image.width, image.height);
    canvas.getContext("2d").drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, 112, 112);
  }, () => canvas.replaceWith(h("span", { className: "file-icon" }, icon("photo"))));
  return canvas;
}

async function send() {
  const text = $("text").value.trim();
  const chat = kept.chat;
  if (staged.files.length > 0) {
    const body = new FormData();
    if (text) body.append("caption", text);
    for (const file of staged.files) body.append("file", file, file.name);
    if (!await attempt(() => call(`upload?as=${speaker(chat)}&chat=${chat}&kind=${staged.kind}`, { method: "POST", body }))) return;
    staged = { kind: "photo", files: [] };
    drawTray();
  } else if (!text || !await act({ do: "text", text })) return;
  if (kept.chat === chat) $("text").value = "";
  grow();
  await refresh(chat);
  toBottom();
}

function grow() {
  $("text").style.height = "auto";
  $("text").style.height = `${Math.min($("text").scrollHeight, 120)}px`;
}

// ── The desk ────────────────────────────────────────────────────────────────────────────────────

const STATUS = { ok: "работает", degraded: "с перебоями", down: "не работает", wait: "подключаюсь" };
const OVERALL = { ok: "Всё работает", degraded: "Работает с перебоями", down: "Не работает" };
const PARTS = { database: "База данных", telegram: "Telegram", scripts: "Сценарии", outbox: "Отправка сообщений", conversations: "Диалоги", cache: "Кэш", bitrix24: "Битрикс24", yclients: "YClients", scheduler: "Расписание" };
const FAULTS = [
  { kind: "429", title: "429", about: "«Слишком часто», ждать 5 с", retry_after: 5 },
  { kind: "500", title: "500", about: "Telegram ошибся" },
  { kind: "502", title: "502", about: "HTML вместо ответа" },
  { kind: "slow", title: "Медленно", about: "Ответ через 3 с", delay_ms: 3000 },
  { kind: "reset", title: "Обрыв", about: "Принято, но ответ потерян" },
];

async function pollHealth() {
  try {
    const response = await fetch("/health", { signal: AbortSignal.timeout(5000), cache: "no-store" });
    takeHealth(await response.json()); // A sick service answers 503 with the same body.
  } catch {
    takeHealth(null);
  }
  setTimeout(pollHealth, 2000);
}

function takeHealth(health) {
  const before = model.health?.parts?.scripts;
  const scripts = health?.parts?.scripts;
  if (before?.live && scripts?.live && before.live.hash !== scripts.live.hash) {
    kept.done = { ...kept.done, edit: true };
    notify(`Новый набор сценариев уже в работе: ${shortHash(scripts.live.hash)}`, "good");
  }
  if (before && scripts?.refused && before.refused?.at !== scripts.refused.at) notify("Правка не принята, бот работает на прежнем наборе", "bad");
  model.health = health ?? (model.health && { ...model.health, status: "down", lost: true });
  $("clock").textContent = time(Date.now() / 1000);
  drawHealth(health ? model.health : { ...model.health, status: "down", lost: true });
  drawScripts(model.health?.parts?.scripts);
  drawGuide();
}

const shortHash = (hash) => hash.slice(0, 8);

function drawHealth({ status, lost, version, uptime_seconds, parts = {} }) {
  $("pulse").dataset.status = status;
  $("pulse-text").textContent = lost ? "Нет связи с ботом" : OVERALL[status] ?? status;
  $("desk-dot").hidden = status === "ok" && !parts.scripts?.refused;
  $("about").textContent = lost || version === undefined ? "Бот не отвечает. Запущен ли borodach demo?" : `Версия ${version}, работает ${lasting(uptime_seconds)}`;
  const rows = Object.entries(parts).filter(([, part]) => part?.status).map(([name, part]) => ({ name: PARTS[name] ?? name, status: lost ? "wait" : part.status, latency: part.latency_ms, error: part.error }));
  redraw($("parts"), rows, () => rows.map(({ name, status: state, latency, error }) => h("li", { data: { status: state } }, h("span", { className: "dot" }), h("span", {}, name),
    h("span", { className: "muted" }, state === "ok" && Number.isFinite(latency) ? `${numberFormat.format(latency)} мс` : STATUS[state] ?? state), error && h("small", {}, error))));
  const { awaiting = 0, parked = 0 } = parts.conversations ?? {};
  const waiting = parts.outbox?.pending;
  redraw($("numbers"), [awaiting, parked, waiting], () => [[awaiting, "ждут ответа человека"], [parked, "остановлены ошибкой", parked > 0], [waiting, "сообщений в очереди"]]
    .filter(([value]) => value !== undefined).map(([value, label, alarm]) => h("div", { className: alarm ? "alarm" : "" }, h("dt", {}, label), h("dd", {}, numberFormat.format(value)))));
}

function drawScripts(scripts) {
  if (!scripts) return;
  const { live, refused } = scripts;
  $("set-hash").textContent = live ? shortHash(live.hash) : "нет";
  $("set-about").replaceChildren(...(live ? [`${plural(live.flows.length, ["сценарий", "сценария", "сценариев"])}, ${ago(live.since)}. Правьте файлы в папке `, h("code", {}, live.folder ?? "flows/"), " — сохранённое оживает за две секунды."]
    : ["Живого набора ещё нет. Исправьте ошибку ниже, и он появится сам."]));
  redraw($("flows"), live?.flows ?? [], () => (live?.flows ?? []).map(({ name, title, triggers }) => h("li", {}, h("b", {}, title), h("code", {}, name), h("span", { className: "triggers" }, triggers.map(trigger)))));
  redraw($("refusal"), refused, () => (refused ? h("div", { className: "refusal", role: "alert" },
    h("p", {}, h("b", {}, `Правка от ${time(refused.at / 1000)} не принята.`), live ? " Бот продолжает работать на прежнем наборе." : ""), report(refused.report)) : []));
}

function trigger(text) {
  return text.startsWith("/") ? h("button", { type: "button", className: "chip", title: "Отправить боту", onclick: () => say(text) }, text) : h("span", { className: "chip" }, text);
}

/** A report of the linter, line by line: where it is, the line itself and the mark under it stand out. */
function report(text) {
  const kind = (line) => (/\.rhai:\d+/.test(line) ? "place" : /^[\s│|·]*[\^~]+/.test(line) ? "mark" : /^\s*\d+\s*[│|]/.test(line) ? "source" : "words");
  const lines = text.replace(/\s+$/, "").split("\n");
  return h("pre", { tabIndex: 0 }, lines.map((line) => h("span", { className: kind(line) }, `${line}\n`)));
}

function drawFaults() {
  const left = (kind) => model.faults.filter((fault) => String(fault.kind) === kind).length > 0;
  redraw($("fault-switches"), FAULTS.map(({ kind }) => left(kind)), () => FAULTS.map(({ title, about, ...fault }) =>
    h("button", { type: "button", className: left(fault.kind) ? "active" : "", onclick: () => addFault(fault) }, h("b", {}, title), h("small", {}, about))));
  redraw($("faults-active"), model.faults, () => (model.faults.length ? model.faults.map((fault) => h("li", { className: "chip" }, h("b", {}, FAULTS.find(({ kind }) => kind === String(fault.kind))?.title ?? fault.kind),
    ` ${fault.method === "*" ? "любой метод" : fault.method}`, Number.isFinite(fault.times) ? `, ещё ${plural(fault.times, ["вызов", "вызова", "вызовов"])}` : ""))
    : [h("li", { className: "muted" }, "Сейчас сбоев нет")]));
  $("faults-clear").disabled = model.faults.length === 0;
}

function addFault(fault) {
  const times = Number(document.querySelector("[name=times]:checked").value);
  return attempt(async () => { await post("faults", { method: $("fault-method").value, times, ...fault }); await refreshState(); });
}

function drawGuide() {
  const begun = kept.done.begun || model.chats.some((chat) => chat.kind === "private" && seenMessages(chat.id).some((message) => !message.from.bot));
  if (begun && !kept.done.begun) kept.done = { ...kept.done, begun: true };
  const folder = model.health?.parts?.scripts?.live?.folder ?? "flows/";
  const steps = [["begun", "Запустите бота", "и пройдите регистрацию за любого человека слева"], ["office", "Ответьте за офис", "откройте группу и нажмите кнопку под заявкой"], ["edit", "Измените сценарий", `поправьте фразу в папке ${folder} и сохраните файл`]];
  $("guide").hidden = !kept.guide;
  redraw($("guide-steps"), [kept.done, folder], () => steps.map(([key, title, text]) => h("li", { className: kept.done[key] ? "done" : "" }, h("span", { className: "step" }, kept.done[key] ? icon("check") : ""), h("span", {}, h("b", {}, title), ` — ${text}`))));
}

// ── Wiring ──────────────────────────────────────────────────────────────────────────────────────

function showTab(name) {
  document.body.dataset.tab = name;
  for (const tab of document.querySelectorAll("[data-tab-name]")) tab.setAttribute("aria-pressed", String(tab.dataset.tabName === name));
}

function wire() {
  for (const tab of document.querySelectorAll("[data-tab-name]")) tab.addEventListener("click", () => showTab(tab.dataset.tabName));
  $("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("text").addEventListener("input", grow);
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
  });
  $("text").addEventListener("paste", (event) => stage("photo", [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"))));
  $("screen").addEventListener("dragover", (event) => event.preventDefault());
  $("screen").addEventListener("drop", (event) => {
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    stage(files.every((file) => file.type.startsWith("image/")) ? "photo" : "document", files);
  });
  for (const kind of ["photo", "document"]) $(`pick-${kind}`).addEventListener("change", ({ target }) => { stage(kind, [...target.files]); target.value = ""; });
  $("speaker-choice").addEventListener("change", ({ target }) => { speakers.set(kept.chat, Number(target.value)); drawChat(); refresh(kept.chat).catch(() => {}); });
  $("messages").addEventListener("scroll", drawJump, { passive: true });
  $("jump").addEventListener("click", () => $("messages").scrollTo({ top: $("messages").scrollHeight, behavior: "smooth" }));
  $("faults-clear").addEventListener("click", () => attempt(async () => { await call("faults", { method: "DELETE" }); await refreshState(); }));
  $("guide-close").addEventListener("click", () => { kept.guide = false; drawGuide(); });
  document.addEventListener("click", ({ target }) => { for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target) || target.closest(".menu-items")) menu.open = false; });
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.firstElementChild.focus(); } });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) drawChat(); });
  new ResizeObserver(() => drawJump()).observe($("messages"));
}

wire();
drawFaults();
listen();
pollHealth();
