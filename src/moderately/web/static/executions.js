// The executions page: live rows, selection, keys, and what is done with many at once.

import { follow } from "./live.js";
import { refresh } from "./morph.js";
import { localFields } from "./moments.js";
import { localTimes, tick } from "./times.js";
import { setUpRows } from "./rows.js";
import { onKey } from "./keys.js";
import { setUpBulk } from "./bulk.js";

const rows = document.getElementById("rows");
const selection = setUpRows(rows);

async function look() {
  await refresh(location.href, { headers: { "x-fragment": "rows" } });
  localTimes(rows);
  selection.show();
}

setUpBulk(document.getElementById("bulk"), selection, look);
localFields(document.getElementById("filters"));
onKey("/", () => {
  const search = document.getElementById("search");
  search.focus();
  search.select();
});
tick();
follow(() => rows.dataset.stream, { look });
