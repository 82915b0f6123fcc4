/** Programs by which desktops keep the setting. */
export const STORE_PROGRAMS = [
  "gsettings",
  "kwriteconfig5",
  "kwriteconfig6",
  "networksetup",
  "reg",
] as const;

export type StoreProgram = typeof STORE_PROGRAMS[number];

/** Values of a setting by their names, as its program tells and takes them. */
export type ProxySetting = Readonly<Record<string, string>>;

/** Where a desktop keeps which proxy programs are to use. */
export interface ProxyStore {
  /** @throws {TtunError} if the program fails */
  read(): ProxySetting;
  /** @throws {TtunError} if the program fails */
  write(setting: ProxySetting): void;
  /** Returns the setting that has programs follow the PAC file at `url`, in place of `before`. */
  automatic(url: string, before: ProxySetting): ProxySetting;
}

/** Returns true if both have the same values. */
export function isSameSetting(one: ProxySetting, other: ProxySetting): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => one[name] === other[name]);
}
