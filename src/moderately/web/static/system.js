// The system page: looked at again every few seconds.

import { every } from "./live.js";
import { refresh } from "./morph.js";
import { localTimes } from "./times.js";

every(5000, async () => {
  const { changed } = await refresh(location.href, { headers: { "x-fragment": "system" } });
  for (const part of changed) localTimes(part);
});
