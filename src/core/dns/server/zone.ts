import type { ZoneRecord } from "./record.ts";

/** Result of a look for a name in a zone (RFC 1034 section 4.3.2). */
export type Found =
  | { readonly kind: "records"; readonly records: readonly ZoneRecord[] }
  /** The name is there without such a record; or it is not there at all. */
  | { readonly kind: "nodata" | "nxdomain" }
  /** The name is another zone's. */
  | { readonly kind: "outside" };

/** Records of one domain and all below it, which never change: another zone takes its place. */
export class Zone {
  /** In lower case. */
  readonly apex: string;
  readonly #byName = new Map<string, ZoneRecord[]>();
  /** Names with records, and those above them. */
  readonly #there = new Set<string>();

  /** The records are below the apex, or at it, where one begins the zone (SOA). */
  constructor(apex: string, records: readonly ZoneRecord[]) {
    this.apex = apex;
    for (const record of records) {
      const same = this.#byName.get(record.name);
      if (same === undefined) this.#byName.set(record.name, [record]);
      else same.push(record);
      for (let name = record.name; name.length > apex.length; name = above(name)) {
        this.#there.add(name);
      }
    }
    this.#there.add(apex);
  }

  /** `name`: in lower case. `type`: null = of any. */
  find(name: string, type: number | null): Found {
    if (!this.has(name)) return { kind: "outside" };
    const records = this.#recordsOf(name);
    if (records === null) return { kind: "nxdomain" };
    const wanted = type === null ? records : records.filter((record) => record.type === type);
    return wanted.length > 0 ? { kind: "records", records: wanted } : { kind: "nodata" };
  }

  /** Returns true if the name is this zone's, whether there is one or not. */
  has(name: string): boolean {
    return name === this.apex || name.endsWith(`.${this.apex}`);
  }

  /** Null = there is no such name, and no `*` that stands for it (RFC 4592). */
  #recordsOf(name: string): readonly ZoneRecord[] | null {
    if (this.#there.has(name)) return this.#byName.get(name) ?? [];
    let encloser = above(name);
    while (!this.#there.has(encloser)) encloser = above(encloser);
    return this.#byName.get(`*.${encloser}`) ?? null;
  }
}

function above(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}
