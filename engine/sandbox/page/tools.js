// What both pages of `borodach demo` are made with: elements, words for people, and calls to the sandbox.

export const $ = (id) => document.getElementById(id);

/** Makes an element; `props` are properties, `on…` are listeners, `data` and `aria` are attributes. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) element.setAttribute(`aria-${key}`, text);
    else if (value !== null && value !== undefined) element[name] = value;
  }
  element.append(...children.flat().filter((child) => (child ?? false) !== false));
  return element;
}

export const submitting = (handle) => (event) => { event.preventDefault(); handle(event.target); };
export const button = (className, onclick, ...children) => h("button", { type: "button", className, onclick }, ...children);

export function icon(name) {
  const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Puts `nodes` under `parent` and touches only what differs, so that focus and scroll survive. */
export function arrange(parent, nodes) {
  nodes.forEach((node, at) => parent.childNodes[at] === node || parent.insertBefore(node, parent.childNodes[at] ?? null));
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

/** Redraws `parent` only if what it shows has changed. */
export function redraw(parent, shown, draw) {
  const signature = JSON.stringify(shown);
  if (parent.drawn === signature) return;
  parent.drawn = signature;
  parent.replaceChildren(...[draw()].flat().filter(Boolean));
}

export const clockFormat = new Intl.DateTimeFormat("ru", { hour: "2-digit", minute: "2-digit" });
export const dayFormat = new Intl.DateTimeFormat("ru", { day: "numeric", month: "long" });
export const decimal = new Intl.NumberFormat("ru", { maximumFractionDigits: 1 });
export const pluralRules = new Intl.PluralRules("ru");
export const time = (seconds) => clockFormat.format(seconds * 1000);
export const day = (seconds, date = dayFormat.format(seconds * 1000)) => (date === dayFormat.format(Date.now()) ? "Сегодня" : date);
/** `plural(3, "вызов", "вызова", "вызовов")` → «3 вызова». */
export const plural = (count, one, few, many) => `${decimal.format(count)} ${{ one, few }[pluralRules.select(count)] ?? many}`;

export function size(bytes) {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${decimal.format(bytes / 1024 ** power)} ${["Б", "КБ", "МБ", "ГБ"][power]}`;
}

export function lasting(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} с`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} мин`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} ч` : plural(Math.floor(seconds / 86400), "день", "дня", "дней");
}

/** An address that may be followed: the web, Telegram, mail, phone or our own server; else `null`. */
export function safeAddress(address) {
  const url = URL.canParse(address, location.href) ? new URL(address, location.href) : null;
  return ["http:", "https:", "tg:", "mailto:", "tel:"].includes(url?.protocol) ? url.href : null;
}

export const link = (className, address, ...children) => h("a", { className, href: safeAddress(address), target: "_blank", rel: "noopener noreferrer" }, ...children);
export const titled = (title, about) => h("span", {}, h("b", {}, title), h("small", {}, about));
export const tint = (id) => ({ tint: Math.abs(id) % 7 });

export function avatar(id, name) {
  const words = name.replace(/[^\p{L}\p{N}\s]/gu, "").trim().split(/\s+/);
  const initials = words.slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
  return h("span", { className: "avatar", data: tint(id), aria: { hidden: "true" } }, initials || "•");
}

/** Shows a line for a while: `tone` is `calm`, `good` or `bad`. */
export function notify(text, tone = "calm", holder = $("notices")) {
  const notice = h("div", { className: "notice", data: { tone } }, text);
  holder.append(notice);
  setTimeout(() => notice.remove(), 4500);
}

/** The control API of a service under `base`, such as `/sandbox`. */
export function service(base) {
  const call = async (path, options) => {
    const response = await fetch(`${base}/${path}`, options).catch(() => Promise.reject(new Error("нет связи с ботом")));
    const body = await response.json().catch(() => ({})); // A deed may be answered with nothing.
    if (!response.ok) throw new Error(body.error ?? `ответ ${response.status}`);
    return body;
  };
  const post = (path, body) => call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { call, post };
}

/** Does `work` and says whether it was done; a failure is shown to the person. */
export const attempt = (work) => work().then(() => true, ({ message }) => notify(`Не получилось: ${message}`, "bad"));

/** For loads that nobody waits for: the next event or the reopened stream will bring what was missed. */
export const quietly = (promise) => promise.catch(() => {});
