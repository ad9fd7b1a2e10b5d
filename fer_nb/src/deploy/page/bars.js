// Seven bars: the probability of each class.

export class Bars {
  constructor(list, classes) {
    this.rows = classes.map((name) => {
      const row = document.createElement("li");
      const [label, track, fill, value] = ["span", "span", "span", "span"].map((tag) => document.createElement(tag));
      label.textContent = name;
      track.className = "track";
      fill.className = "fill";
      fill.style.display = track.style.display = "block";
      fill.style.background = `var(--${name})`;
      value.className = "value";
      track.append(fill);
      row.append(label, track, value);
      list.append(row);
      return { row, fill, value };
    });
    this.show(null);
  }

  /** Shows probabilities in the order of the classes, or none. */
  show(probs) {
    const best = probs ? probs.indexOf(Math.max(...probs)) : -1;
    this.rows.forEach(({ row, fill, value }, index) => {
      const prob = probs ? probs[index] : 0;
      fill.style.width = `${100 * prob}%`;
      value.textContent = probs ? `${(100 * prob).toFixed(1)} %` : "–";
      row.dataset.prob = probs ? String(prob) : "";
      row.classList.toggle("first", index === best);
    });
  }
}
