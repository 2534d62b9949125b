// What the pages do beside showing: no polling where nobody looks, a word where a page is not live
// any more, and a key for the search.
"use strict";

const WHY_NOT_LIVE = {
  401: "Not live any more: the dashboard was started anew. Open the address that it has printed.",
  404: "What is shown here is gone: the job has succeeded, has expired or was deleted.",
  503: "Not live: the queue is out of reach.",
};

function tell(status) {
  const place = document.getElementById("not-live");
  place.textContent = WHY_NOT_LIVE[status] || "Not live: the dashboard does not answer.";
  place.hidden = false;
}

document.addEventListener("htmx:response:error", (event) => tell(event.detail.ctx.response.status));
document.addEventListener("htmx:error", () => tell(0));
document.addEventListener("htmx:after:swap", (event) => {
  // An answer that is an error ends in a swap too, of nothing.
  if (event.detail.ctx.response.status < 400) document.getElementById("not-live").hidden = true;
});

document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden) event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  document.getElementById("search")?.focus();
});
