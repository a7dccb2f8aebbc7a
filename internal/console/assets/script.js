"use strict";
// The pages work without this script. It adds suggestions, selection of all rows, keys, and what others change.
(() => {
  const find = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  const body = document.body;

  // Suggestions: a list of names for a field. In a field with several lines, a second field adds a name to them.
  let lists = 0;
  const suggestFor = (input, kind, organization, qualified) => {
    const list = document.createElement("datalist");
    list.id = "suggestions-" + lists++;
    input.setAttribute("list", list.id);
    input.after(list);
    let asked = "", timer = 0;
    const ask = async () => {
      const text = input.value.trim();
      if (text === asked || text === "") return;
      asked = text;
      const query = new URLSearchParams({ kind, organization, q: text });
      if (qualified) query.set("qualified", "yes");
      const answer = await fetch(body.dataset.suggest + "?" + query, { headers: { "Usher-Live": "suggest" } });
      if (!answer.ok || asked !== text) return;
      list.replaceChildren(...(await answer.json()).map((name) => {
        const option = document.createElement("option");
        option.value = name;
        return option;
      }));
    };
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, 120);
    });
  };
  const organization = body.dataset.organization || "";
  find("input[data-kind]").forEach((input) => suggestFor(input, input.dataset.kind, organization, false));
  find("textarea[data-kind]").forEach((area) => {
    const row = document.createElement("div"), input = document.createElement("input"), button = document.createElement("button");
    const label = area.parentElement.querySelector("label").textContent;
    row.className = "adder";
    input.type = "text";
    input.autocomplete = "off";
    input.setAttribute("aria-label", label + ": add one");
    input.placeholder = "Type to search, Enter to add";
    button.type = "button";
    button.textContent = "Add";
    const add = () => {
      const name = input.value.trim();
      if (name === "") return;
      const lines = area.value.split(/[\s,;]+/).filter(Boolean);
      if (!lines.includes(name)) lines.push(name);
      area.value = lines.join("\n");
      input.value = "";
      input.focus();
    };
    button.addEventListener("click", add);
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      add();
    });
    row.append(input, button);
    area.before(row);
    suggestFor(input, area.dataset.kind, organization, area.name === "group");
    area.form.addEventListener("submit", add);
  });

  // Selection: one box for all rows, and the number of selected rows.
  const selecting = (form) => {
    const boxes = () => find("tbody input[type=checkbox]", form);
    const head = form.querySelector("th.check"), told = form.querySelector(".selected");
    const all = document.createElement("input");
    all.type = "checkbox";
    all.setAttribute("aria-label", "Select all rows of this page");
    head.replaceChildren(all);
    const show = () => {
      const count = boxes().filter((box) => box.checked).length;
      told.textContent = count === 0 ? "Select rows, then:" : count + " selected:";
      all.checked = count > 0 && count === boxes().length;
      all.indeterminate = count > 0 && count < boxes().length;
      find(".toolbar button", form).forEach((button) => button.classList.toggle("ready", count > 0));
    };
    all.addEventListener("change", () => {
      boxes().forEach((box) => { box.checked = all.checked; });
      show();
    });
    let last = null;
    form.addEventListener("click", (event) => {
      if (!(event.target instanceof HTMLInputElement) || !event.target.closest("tbody")) return;
      const here = boxes(), at = here.indexOf(event.target);
      if (event.shiftKey && last !== null) {
        here.slice(Math.min(last, at), Math.max(last, at) + 1).forEach((box) => { box.checked = event.target.checked; });
      }
      last = at;
      show();
    });
    show();
    return show;
  };
  const showSelected = find("form.selecting").map(selecting);

  // Keys: / goes to the search, j and k to the next and the previous row, x selects it.
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (target instanceof Element && target.matches("input:not([type=checkbox]), textarea, select")) return;
    if (event.key === "/") {
      const search = document.querySelector("main input[type=search]");
      if (search === null) return;
      event.preventDefault();
      search.focus();
      return;
    }
    const rows = find("main tbody tr");
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const step = { j: 1, k: -1 }[event.key];
    if (step !== undefined && rows.length > 0) {
      const row = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
      const link = row.querySelector("th a, a");
      if (link !== null) link.focus();
    } else if (event.key === "x" && at >= 0) {
      const box = rows[at].querySelector("input[type=checkbox]");
      if (box !== null) box.click();
    }
  });

  // Changes by others: the page is asked for again. Rows that are shown already get their new content in place. What
  // would move rows waits for the person.
  const live = document.getElementById("live");
  const merge = (fresh) => {
    const rows = new Map(find("main tr[data-key]", fresh).map((row) => [row.dataset.key, row]));
    const here = find("main tr[data-key]");
    here.forEach((row) => {
      const made = rows.get(row.dataset.key);
      if (made === undefined || row.contains(document.activeElement)) return;
      Array.from(row.cells).forEach((cell, i) => {
        const other = made.cells[i];
        if (other === undefined || cell.classList.contains("check") || cell.textContent === other.textContent) return;
        cell.replaceChildren(...Array.from(other.childNodes, (node) => document.importNode(node, true)));
        cell.classList.add("fresh");
      });
    });
    const order = (all) => all.map((row) => row.dataset.key).join("\n");
    const outside = (from) => find("main dl, main .notice", from).map((part) => part.textContent.replace(/\s+/g, " ")).join("\n");
    return order(here) !== order(Array.from(rows.values())) || outside(document) !== outside(fresh);
  };
  const offer = (text) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show";
    button.addEventListener("click", () => location.reload());
    live.replaceChildren(document.createTextNode(text + " "), button);
  };
  let version = body.dataset.version, asking = false;
  const refresh = async () => {
    if (asking || document.querySelector("form.edit, form.confirm") !== null) return;
    asking = true;
    const seen = version;
    try {
      const answer = await fetch(location.href, { headers: { "Usher-Live": "page" } });
      if (!answer.ok) {
        offer("This page has changed.");
        return;
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (merge(fresh)) offer("There is more to show.");
      showSelected.forEach((show) => show());
    } catch {
      live.textContent = "The console does not answer. Is the command still running?";
    } finally {
      asking = false;
      if (seen !== version) refresh();
    }
  };
  if (body.dataset.events) {
    const stream = new EventSource(body.dataset.events);
    stream.addEventListener("message", (event) => {
      live.replaceChildren();
      if (event.data === version) return;
      version = event.data;
      refresh();
    });
    stream.addEventListener("end", () => {
      stream.close();
      live.textContent = "The console has ended. Run kubectl access ui again.";
    });
    stream.addEventListener("error", () => { live.textContent = "The console does not answer. Is the command still running?"; });
  }
  // A page from the browser's memory has a form that may have been sent.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
