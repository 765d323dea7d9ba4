// What every page's script begins with.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// An element of a drawing.
function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}
