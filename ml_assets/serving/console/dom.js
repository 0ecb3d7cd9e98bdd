// Making elements. Whatever is not an element becomes text, so nothing that a row says is markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: h("p", {class: "note"}, "text", child); listeners are attributes such as onclick. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** Put other children into an element. */
export function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
}

/** Say something to those who do not see the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** A table with a heading for each column; cells of numbers are aligned at their end. */
export function table(columns, rows, caption, kind) {
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: kind },
      caption && h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map((each) => heading(each)))),
      h("tbody", {}, rows),
    ),
  );
}

function heading(column) {
  const isNumber = column.startsWith("#");
  return h("th", { scope: "col", class: isNumber && "number" }, isNumber ? column.slice(1) : column);
}

/** A cell of a number. */
export function number(...children) {
  return h("td", { class: "number" }, ...children);
}
