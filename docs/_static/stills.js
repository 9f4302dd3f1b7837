// Stills of a widget: the slider of a control chooses which one of its row is seen; the others go back to their start.
document.querySelectorAll(".stills").forEach((stills) => {
  const image = stills.querySelector("img");
  const knobs = [...stills.querySelectorAll("input")];
  const tell = (knob) => {
    const text = knob.dataset.values.split("|")[knob.value];
    knob.setAttribute("aria-valuetext", text);
    knob.nextElementSibling.textContent = text;
  };
  const show = (knob) => {
    image.style.setProperty("--column", knob.value);
    image.style.setProperty("--row", knob.dataset.row);
    for (const other of knobs) {
      if (other !== knob) other.value = other.dataset.start;
      tell(other);
    }
  };
  knobs.forEach((knob) => knob.addEventListener("input", () => show(knob)));
  stills.classList.add("live");
  show(knobs[0]);
});
