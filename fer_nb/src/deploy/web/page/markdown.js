// A model card's Markdown as nodes: headings, paragraphs, tables, code, bold. Text stays text.

const node = (tag, ...children) => {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
};

/** The nodes of a text, block by block. */
export function toNodes(text) {
  const nodes = [];
  const lines = text.split("\n");
  while (lines.length) {
    const line = lines.shift();
    if (line.startsWith("```")) {
      const end = lines.findIndex((other) => other.startsWith("```"));
      nodes.push(node("pre", lines.splice(0, end < 0 ? lines.length : end).join("\n")));
      lines.shift();
    } else if (line.startsWith("#")) {
      nodes.push(node("h3", ...spans(line.replace(/^#+ */, ""))));
    } else if (line.startsWith("|")) {
      nodes.push(table([line, ...block(lines, (other) => other.startsWith("|"))]));
    } else if (line.trim()) {
      const more = block(lines, (other) => other.trim() && !/^(#|\||```)/.test(other));
      nodes.push(node("p", ...spans([line, ...more].join(" "))));
    }
  }
  return nodes;
}

/** Takes the lines off the front for which a condition holds. */
function block(lines, belongs) {
  const end = lines.findIndex((line) => !belongs(line));
  return lines.splice(0, end < 0 ? lines.length : end);
}

function table(lines) {
  const rows = lines.filter((line) => !/^[|:\- ]+$/.test(line));
  const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  return node("table", ...rows.map((line, row) =>
    node("tr", ...cells(line).map((cell) => node(row === 0 ? "th" : "td", ...spans(cell))))));
}

/** Text with `code` and **bold** in it. */
function spans(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`") && part.length > 2) return node("code", part.slice(1, -1));
    if (part.startsWith("**") && part.length > 4) return node("strong", part.slice(2, -2));
    return part;
  });
}
