/* Keeps what is done without a network, and brings it once there is one.

   const queue = new BellwetherOffline({ device: "stand-tablet-2", key: "bw_…" });
   await queue.add("event", { user_id: "eve", event_type: "visit", platform: "fair" });
   queue.start();

   What add() has promised is in IndexedDB, and leaves it only when the server has said what became of it. One
   tab sends at a time. */
(function (root) {
  "use strict";
  const MOST = 500, MOST_BYTES = 4e5, EVERY = 3e4, LONGEST_WAIT = 3e5;

  function uuid7() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = 0x70 | (bytes[6] & 15);
    bytes[8] = 0x80 | (bytes[8] & 63);
    const hex = Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
    const time = Date.now().toString(16).padStart(12, "0");
    return (time + hex.slice(12)).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  const settled = (work) => new Promise((resolve, reject) => {
    work.oncomplete = resolve;
    work.onabort = () => reject(work.error);
  });

  async function packed(text) {
    if (!root.CompressionStream) return [text, {}];
    const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
    return [await new Response(stream).blob(), { "Content-Encoding": "gzip" }];
  }

  class BellwetherOffline {
    /* told(event, verdict) hears what became of each event; failed(status, detail) what a person must mend. */
    constructor({ device, key, url = "/api/v1/sync/batch", headers = {}, name = "bellwether-offline", told, failed }) {
      Object.assign(this, { device, url, name, told, failed, most: MOST, misses: 0, wait: 0 });
      this.headers = key ? { Authorization: `Bearer ${key}`, ...headers } : headers;
    }

    open() {
      if (this.database) return this.database;
      const opening = indexedDB.open(this.name, 1);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore("events", { keyPath: "seq", autoIncrement: true });
        opening.result.createObjectStore("clock");
      };
      return (this.database = done(opening));
    }

    /* Answers the event's id once it is on the disk. */
    async add(type, payload, baseVersion) {
      const database = await this.open();
      const work = database.transaction(["events", "clock"], "readwrite", { durability: "strict" });
      const clock = work.objectStore("clock");
      const lamport = ((await done(clock.get("lamport"))) || 0) + 1;
      clock.put(lamport, "lamport");
      const event = { id: uuid7(), type, lamport, payload, original_timestamp: new Date().toISOString() };
      if (baseVersion !== undefined) event.base_version = baseVersion;
      work.objectStore("events").add(event);
      await settled(work);
      if (this.timer) this.sync();
      return event.id;
    }

    async waiting() {
      return done((await this.open()).transaction("events").objectStore("events").count());
    }

    start() {
      if (this.timer) return;
      navigator.storage?.persist?.();
      root.addEventListener("online", () => { this.wait = 0; this.sync(); });
      document.addEventListener("visibilitychange", () => this.sync());
      this.timer = setInterval(() => this.sync(), EVERY);
      this.sync();
    }

    /* Bring what waits, unless another tab does. What could not be brought stays. */
    async sync() {
      if (navigator.onLine === false || Date.now() < this.wait) return;
      const bring = async (lock) => { while (lock && (await this.bring())) ; };
      return navigator.locks ? navigator.locks.request(this.name, { ifAvailable: true }, bring) : bring(true);
    }

    /* One batch; true when there may be more. */
    async bring() {
      const database = await this.open();
      const store = database.transaction("events").objectStore("events");
      let size = 0;
      const fits = (one, at) => (size += JSON.stringify(one).length * 3) < MOST_BYTES || !at;
      const batch = (await done(store.getAll(null, this.most))).filter(fits);
      if (!batch[0]) return false;
      const answer = await this.send(batch).catch(() => null);
      if (!answer) return this.later();
      const { status } = answer;
      if (status === 207) return this.settle(batch, await answer.json());
      if (status === 413 || status === 429) this.most = Math.ceil(batch.length / 2);
      if (status === 413 && batch[1]) return true;
      this.later(answer.headers.get("Retry-After") * 1000);
      if (status < 500 && status !== 429) this.failed?.(status, await answer.text());
      return false;
    }

    async send(batch) {
      const events = batch.map(({ seq, ...event }) => event);
      const sent = { device_id: this.device, seq_from: batch[0].seq, sent_at: new Date().toISOString(), events };
      const [body, packing] = await packed(JSON.stringify(sent));
      const headers = { "Content-Type": "application/json", ...packing, ...this.headers };
      return fetch(this.url, { method: "POST", body, headers });
    }

    later(wait) {
      const backoff = Math.min(LONGEST_WAIT, 1000 * 2 ** this.misses++) * (0.5 + Math.random() / 2);
      this.wait = Date.now() + (wait || backoff);
      return false;
    }

    async settle(batch, answer) {
      this.misses = this.wait = 0;
      this.most = Math.min(MOST, this.most * 2);
      const verdicts = new Map(answer.events.map((one) => [one.id, one]));
      const work = (await this.open()).transaction("events", "readwrite");
      const heard = batch.filter((event) => verdicts.has(event.id));
      for (const event of heard) work.objectStore("events").delete(event.seq);
      await settled(work);
      for (const event of heard) this.told?.(event, verdicts.get(event.id));
      return heard.length > 0;
    }
  }

  root.BellwetherOffline = BellwetherOffline;
})(self);
