/* What the frame does beyond links and forms. Without it every page still works. */
(() => {
  "use strict";
  const root = document.documentElement;
  const on = (type, selector, act) =>
    document.addEventListener(type, (event) => {
      const found = event.target.closest?.(selector);
      if (found) act(found, event);
    });

  const showTheme = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    document.querySelectorAll(".themes button").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.value === theme));
    });
    try {
      localStorage.setItem("theme", theme || "auto"); // the back office keeps its own note of it
    } catch {
      /* storage may be switched off; the cookie is enough */
    }
  };

  on("click", ".themes button", (button, event) => {
    event.preventDefault();
    showTheme(button.value);
    const form = new FormData(button.form);
    form.set("theme", button.value);
    fetch(button.form.action, { method: "POST", body: form });
  });

  on("click", "[data-dismiss]", (button) => button.closest(button.dataset.dismiss).remove());

  on("click", "[data-copy]", async (button) => {
    const source = document.querySelector(button.dataset.copy);
    await navigator.clipboard.writeText((source.value ?? source.textContent).trim());
    const label = button.querySelector("span") ?? button;
    const before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => (label.textContent = before), 2000);
  });

  on("click", "[data-close]", (button, event) => {
    const details = button.closest("details");
    event.preventDefault();
    details.open = false;
    details.querySelector("summary").focus();
  });

  on("change", "[data-submit]", (field) => field.form.requestSubmit());

  on("input", "[data-mirror]", (field) => {
    field.form.querySelector(field.dataset.mirror).value = field.value;
  });

  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  const prepare = () => {
    if (navigator.clipboard) document.querySelectorAll("[data-copy][hidden]").forEach((one) => (one.hidden = false));
    document.querySelectorAll("[data-close][hidden], [data-mirror][hidden]").forEach((one) => (one.hidden = false));
    document.querySelectorAll(".scroll:not([tabindex])").forEach((one) => {
      if (one.scrollWidth <= one.clientWidth) return;
      one.tabIndex = 0; // what scrolls sideways can be reached and moved by the keyboard
      one.setAttribute("role", "region");
      one.setAttribute("aria-label", "Table, scrolls sideways");
    });
  };
  if (matchMedia("(max-width: 40rem)").matches) {
    document.querySelectorAll("details.filters").forEach((filters) => (filters.open = false));
  }
  document.querySelectorAll(".tabs, .seg, .rail > ul").forEach((strip) => {
    strip.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  prepare();
  document.addEventListener("htmx:load", prepare);

  /* A tab that nobody looks at asks for nothing. */
  document.addEventListener("htmx:beforeRequest", (event) => {
    const asks = event.target.getAttribute?.("hx-trigger") ?? "";
    if (document.hidden && asks.startsWith("every")) event.preventDefault();
  });
})();
