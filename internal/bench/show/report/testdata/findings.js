((colours, places) => {
  const found = new Set();
  const visible = (e) => e.checkVisibility({ contentVisibilityAuto: true }) && e.getClientRects().length > 0;
  const what = (e) => `<${e.tagName.toLowerCase()} class="${e.getAttribute("class") || ""}"> ${e.textContent.trim().slice(0, 60)}`;

  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.add(`the page is ${root.scrollWidth} wide, and the screen ${root.clientWidth}`);

  // Contrast, by the definition of WCAG 2.
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = (color) => (color.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const background = (e) => {
    for (; e; e = e.parentElement) {
      const page = e instanceof SVGSVGElement && e.querySelector(":scope > rect.page");
      const color = parse(page ? getComputedStyle(page).fill : getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  };
  const readable = (e) => {
    const style = getComputedStyle(e);
    const color = parse(e instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(color), luminance(background(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.add(`contrast is ${contrast.toFixed(2)}: ${what(e)}`);
  };
  const texts = [...document.querySelectorAll("body *")].filter((e) =>
    !["SCRIPT", "STYLE", "title", "desc", "style"].includes(e.tagName) &&
    [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim()) && visible(e));
  if (colours) texts.forEach(readable);
  if (!places) return [...found];

  // Pictures: described, with a table, and no text cut off or over another.
  for (const svg of document.querySelectorAll("svg")) {
    if (svg.parentElement.closest("svg") || svg.closest("[aria-hidden=true]")) continue;
    const has = (tag) => svg.querySelector(`:scope > ${tag}`)?.textContent.trim();
    if (!has("title") || !has("desc")) found.add(`no title or description: ${what(svg)}`);
    const figure = svg.closest("figure");
    if (!figure?.querySelector("table")) found.add(`no table: ${what(svg)}`);
    if (!figure || !visible(svg)) continue;
    const frame = figure.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll("text")].map((e) => [e, e.getBoundingClientRect()]);
    boxes.forEach(([e, box], i) => {
      if (box.left < frame.left - 0.5 || box.right > frame.right + 0.5) found.add(`cut off: ${what(e)}`);
      for (const [other, b] of boxes.slice(0, i)) {
        if (box.left < b.right && b.left < box.right && box.top < b.bottom - 1 && b.top < box.bottom - 1) {
          found.add(`over another text: ${what(e)} and ${what(other)}`);
        }
      }
    });
  }

  // Text of the page that its own box, or the screen, cuts off.
  for (const e of texts) {
    if (e instanceof SVGElement || e.closest(".scroll, pre, .hidden, .quiet, .skip")) continue;
    const box = e.getBoundingClientRect();
    if (box.right > root.clientWidth + 0.5 || box.left < -0.5) found.add(`beyond the screen: ${what(e)}`);
    if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).display !== "inline") found.add(`wider than its box: ${what(e)}`);
  }
  return [...found].slice(0, 20);
})(%t, %t)
