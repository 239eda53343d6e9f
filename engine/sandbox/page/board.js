// The board of `borodach demo`: what the office sees of the tasks that the bot makes, and may do with them.

import { $, attempt, button, decimal, h, plural, quietly, redraw, service, size, submitting, time } from "./tools.js";

const bitrix24 = service("/sandbox/bitrix24");
/** The services whose faults are switched here; `api` is the control API of each. */
const SERVICES = [
  { name: "Битрикс24", api: bitrix24, methods: ["*", "tasks.task.add", "api/tasks.task.add", "tasks.task.list", "tasks.task.get", "task.stages.get", "task.stages.movetask", "task.commentitem.add", "disk.folder.uploadfile", "tasks.task.files.attach", "user.get"] },
  { name: "YClients", api: service("/sandbox/yclients"), methods: ["*"] },
  { name: "Telegram", api: service("/sandbox"), methods: ["*", "sendMessage", "editMessageText", "answerCallbackQuery", "getUpdates"] },
];
const STATUSES = { pending: "ждёт", in_progress: "выполняется", supposedly_completed: "ждёт контроля", completed: "завершена", deferred: "отложена" };
const model = { groups: [], people: [], faults: [], conduct: {}, calls: {} };
const kept = Object.assign({ group: null, person: null }, JSON.parse(sessionStorage.getItem("borodach-board")));
let opened = null; // The id of the task whose card is open.

// ── Loading ─────────────────────────────────────────────────────────────────────────────────────
let loading = null;
let isOutdated = false;

/** Loads everything again; calls that come meanwhile share one more load after it. */
function refresh() {
  isOutdated = true;
  loading ??= load().finally(() => { loading = null; });
  return loading;
}

async function load() {
  while (isOutdated) {
    isOutdated = false;
    Object.assign(model, await bitrix24.call("state"));
    for (const one of SERVICES) one.faults = (await one.api.call("state").catch(() => ({}))).faults ?? [];
  }
  draw();
  if (opened !== null) await drawTask();
}

function listen() {
  const events = new EventSource("/sandbox/bitrix24/events");
  for (const name of ["board", "state"]) events.addEventListener(name, () => quietly(refresh()));
  events.onerror = () => document.body.classList.add("offline");
  events.onopen = () => { document.body.classList.remove("offline"); quietly(refresh()); };
}

const act = (what) => attempt(async () => { await bitrix24.post("act", { as: kept.person, ...what }); await refresh(); });

// ── Drawing ─────────────────────────────────────────────────────────────────────────────────────
function draw() {
  if (!model.groups.some(({ id }) => id === kept.group)) kept.group = model.groups[0]?.id ?? null;
  if (!model.people.some(({ id }) => id === kept.person)) kept.person = model.people[0]?.id ?? null;
  redraw($("projects"), [kept.group, model.groups.map(({ id, name, stages }) => [id, name, count(stages)])], () => model.groups.map(project));
  redraw($("person"), [kept.person, model.people], () => model.people.map(({ id, name, position }) =>
    h("option", { value: id, selected: id === kept.person }, `${name}, ${position.toLowerCase()}`)));
  const group = model.groups.find(({ id }) => id === kept.group);
  redraw($("board"), group, () => (group?.stages ?? []).map(column));
  drawFaults();
  drawConduct();
}

const count = (stages) => stages.reduce((sum, { cards }) => sum + cards.length, 0);

function project({ id, name, stages }) {
  const chosen = button("", () => { kept.group = id; draw(); }, `${name} ${count(stages)}`);
  chosen.setAttribute("aria-pressed", String(id === kept.group));
  return chosen;
}

function column({ id, title, color, cards }) {
  const node = h("section", { className: "column", ondragover, ondragleave, ondrop, aria: { label: title } },
    h("h2", {}, title, h("span", {}, cards.length)), cards.map(card));
  node.style.setProperty("--stage", `#${color}`);
  return node;
  function ondragover(event) { event.preventDefault(); node.classList.add("over"); }
  function ondragleave() { node.classList.remove("over"); }
  function ondrop(event) {
    event.preventDefault();
    const task = Number(event.dataTransfer.getData("text/plain"));
    if (task) act({ do: "move", task, stage: id });
  }
}

function card({ id, title, status, priority, responsible, files_count: files, comments_count: comments, created }) {
  const about = [`№${id}`, time(created), responsible.name, files && plural(files, "файл", "файла", "файлов"), comments && plural(comments, "сообщение", "сообщения", "сообщений")];
  const node = button(`task ${status} ${priority === 2 ? "urgent" : ""}`, () => openTask(id), h("b", {}, title), h("small", {}, about.filter(Boolean).join(" · ")));
  Object.assign(node, { draggable: true, ondragstart: (event) => event.dataTransfer.setData("text/plain", String(id)) });
  return node;
}

async function openTask(id) {
  opened = id;
  await attempt(drawTask);
  if (opened === id && !$("task").open) $("task").showModal();
}

async function drawTask() {
  const id = opened;
  const task = await bitrix24.call(`tasks/${id}`).catch(() => null);
  if (id !== opened) return;
  if (!task) return $("task").close(); // It was deleted meanwhile.
  $("task-title").textContent = `№${task.id}. ${task.title}`;
  const stages = model.groups.find((group) => group.id === task.group)?.stages ?? [];
  const choice = (label, options, chosen, change) => h("select", { aria: { label }, onchange: ({ target }) => change(Number(target.value)) },
    options.map(({ id: value, title, name }) => h("option", { value, selected: value === chosen }, title ?? name)));
  redraw($("task-body"), [task, stages.length, model.people.length], () => [
    h("p", {}, task.description || "Без описания"),
    h("p", { className: "muted" }, [STATUSES[task.status] ?? task.status, task.xml_id && `метка ${task.xml_id}`, ...task.tags].filter(Boolean).join(" · ")),
    h("div", { className: "task-actions" },
      choice("Колонка", stages, task.stage, (stage) => act({ do: "move", task: id, stage })),
      choice("Исполнитель", model.people, task.responsible.id, (to) => act({ do: "assign", task: id, to })),
      task.status === "completed"
        ? button("quiet", () => act({ do: "renew", task: id }), "Возобновить")
        : button("quiet", () => act({ do: "complete", task: id }), "Завершить"),
      button("quiet", () => act({ do: "remove", task: id }), "Удалить")),
    h("ul", {}, task.files.map((file) => h("li", {}, h("a", { href: `/sandbox/bitrix24/files/${file.id}`, download: file.name }, file.name), ` ${size(file.size)}`))),
    h("ul", { className: "task-chat" }, task.chat.map(({ author, text, date }) => h("li", {}, h("b", {}, author), text, h("span", { className: "muted" }, ` ${time(date)}`)))),
  ]);
}

// ── Faults and conduct ──────────────────────────────────────────────────────────────────────────
const switches = [...document.querySelectorAll("[data-fault]")]; // Each carries the body of its request.
const faultOf = (element) => JSON.parse(element.dataset.fault);
const changeFaults = (change) => attempt(async () => { await change(); await refresh(); });
const chosenService = () => SERVICES[Number($("fault-service").value)] ?? SERVICES[0];

function drawFaults() {
  const active = SERVICES.flatMap(({ name, faults }) => (faults ?? []).map((fault) => ({ name, ...fault })));
  redraw($("faults-active"), active, () => (active.length ? active.map(faultChip) : h("li", { className: "muted" }, "Сейчас сбоев нет")));
  $("faults-clear").disabled = active.length === 0;
  $("summary").textContent = active.length ? `— ${plural(active.length, "сбой", "сбоя", "сбоев")}` : "";
}

function faultChip({ name, kind, method, times, chance }) {
  const title = switches.find((element) => faultOf(element).kind === kind)?.firstElementChild.textContent ?? kind;
  const left = Number.isFinite(times) ? `, ещё ${plural(times, "вызов", "вызова", "вызовов")}` : `, ${decimal.format(chance * 100)} %`;
  return h("li", { className: "chip" }, h("b", {}, `${name}: ${title}`), ` ${method === "*" ? "любой метод" : method}${left}`);
}

function addFault(element) {
  const often = Number($("fault-times").value);
  const scope = { method: $("fault-method").value, ...(often < 1 ? { chance: often } : { times: often }) };
  return changeFaults(() => chosenService().api.post("faults", { ...scope, ...faultOf(element) }));
}

function drawMethods() {
  $("fault-method").replaceChildren(...chosenService().methods.map((name) => h("option", { value: name }, name === "*" ? "любой" : name)));
}

function drawConduct() {
  for (const element of document.querySelectorAll("[data-wish]")) {
    const value = model.conduct[element.dataset.wish];
    if (element.type === "checkbox") element.checked = value === true;
    else element.value = String(value);
  }
  const total = Object.values(model.calls).reduce((sum, times) => sum + times, 0);
  $("calls").textContent = `${plural(total, "вызов", "вызова", "вызовов")}, создано ${plural(model.made ?? 0, "задача", "задачи", "задач")}, сбоев встречено: ${decimal.format(model.struck ?? 0)}`;
}

function wish({ target }) {
  const raw = target.type === "checkbox" ? target.checked : target.value;
  const value = ["lost", "twice", "delay_ms"].includes(target.dataset.wish) ? Number(raw) : raw;
  return changeFaults(() => bitrix24.post("conduct", { [target.dataset.wish]: value }));
}

// ── Wiring ──────────────────────────────────────────────────────────────────────────────────────
function wire() {
  const on = (id, event, handle) => $(id).addEventListener(event, handle);
  $("fault-service").append(...SERVICES.map(({ name }, at) => h("option", { value: at }, name)));
  drawMethods();
  on("fault-service", "change", drawMethods);
  for (const element of switches) element.addEventListener("click", () => addFault(element));
  for (const element of document.querySelectorAll("[data-wish]")) element.addEventListener("change", wish);
  on("faults-clear", "click", () => changeFaults(() => Promise.all(SERVICES.map(({ api }) => api.call("faults", { method: "DELETE" })))));
  on("person", "change", ({ target }) => { kept.person = Number(target.value); });
  on("new-task", "submit", submitting(async () => {
    const title = $("new-title").value.trim();
    if (title && (await act({ do: "add", group: kept.group, title }))) $("new-title").value = "";
  }));
  on("comment", "submit", submitting(async () => {
    const text = $("comment-text").value.trim();
    if (text && (await act({ do: "comment", task: opened, text }))) $("comment-text").value = "";
  }));
  on("task-close", "click", () => $("task").close());
  on("task", "close", () => { opened = null; });
  on("task", "click", ({ target }) => target === $("task") && $("task").close());
  window.addEventListener("pagehide", () => sessionStorage.setItem("borodach-board", JSON.stringify(kept)));
}

wire();
listen();
