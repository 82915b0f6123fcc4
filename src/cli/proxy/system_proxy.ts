import { TtunError } from "../../base/errors.ts";
import { isLoopback } from "../../base/loopback.ts";
import type { Logger } from "../../base/log.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { Journal } from "../../io/changes/journal.ts";
import { isHeldByOther } from "../../io/changes/others.ts";
import { chooseStore } from "../../io/desktop/choose_store.ts";
import {
  isSameSetting,
  type ProxySetting,
  type ProxyStore,
  type StoreProgram,
} from "../../io/desktop/proxy_setting.ts";
import { storeOf } from "../../io/desktop/proxy_store.ts";
import { isGranted } from "../platform/permissions.ts";
import { readVariable } from "../platform/variables.ts";
import { lastingFolder } from "../status/folders.ts";
import { repairAtStart } from "../tun/start_repair.ts";

/**
 * Has the user's desktop follow the proxy's PAC file; dispose puts the former setting back. On Linux
 * it is written down before, in a folder that outlives a boot, as the setting does. `listen`: the
 * proxy's address and port; "" = all addresses.
 * @throws {TtunError} usage, system, in_use, privilege
 */
export function useSystemProxy(
  listen: { readonly host: string; readonly port: number },
  log: Logger,
): Disposable {
  const url = pacUrl(listen);
  refuseRoot();
  const by = chooseStore(Deno.build.os, readVariable("XDG_CURRENT_DESKTOP") ?? "");
  if (by === null) {
    throw new TtunError(
      "system",
      "Cannot set the desktop's proxy: neither gsettings (GNOME) nor kwriteconfig (KDE) works here; " +
        `leave out --system-proxy, and give ${url} to the desktop's settings`,
    );
  }
  const setting = Deno.build.os === "linux" ? setOnLinux(by, url, log) : setUnwritten(by, url);
  log.info("the desktop's proxy setting", { url, by });
  return {
    [Symbol.dispose]: () => {
      try {
        if (setting.takeBack()) log.info("the desktop's former proxy setting is back", { by });
        else log.warn("another program has changed the desktop's proxy setting: it stays", { by });
      } catch (error) {
        if (!(error instanceof TtunError)) throw error;
        log.warn(
          `Cannot put back the desktop's proxy setting: ${error.message}; run: ttun doctor --repair`,
        );
      } finally {
        setting[Symbol.dispose]();
      }
    },
  };
}

/** The pages of the proxy's own are for connections from loopback alone. */
function pacUrl({ host, port }: { readonly host: string; readonly port: number }): string {
  const own = host === "" || host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  if (!isLoopback(own)) {
    throw new TtunError(
      "usage",
      `Cannot set the desktop's proxy to ${host}: its PAC file is for loopback alone; listen on ` +
        `127.0.0.1:${port} or on 0.0.0.0:${port} (--listen)`,
    );
  }
  return `http://${own.includes(":") ? `[${own}]` : own}:${port}/proxy.pac`;
}

/** Root has a desktop of its own, if any. */
function refuseRoot(): void {
  if (Deno.build.os === "windows" || !isGranted({ name: "sys", kind: "uid" })) return;
  if (Deno.uid() !== 0) return;
  throw new TtunError(
    "usage",
    "Cannot set the desktop's proxy as root: the setting is the desktop's user's; start ttun proxy " +
      "client without sudo, as it needs no root",
  );
}

interface Setting extends Disposable {
  /** Returns false if another program has changed it. @throws {TtunError} */
  takeBack(): boolean;
}

function setOnLinux(by: StoreProgram, url: string, log: Logger): Setting {
  const folder = lastingFolder();
  if (folder === null) {
    throw new TtunError(
      "system",
      "Cannot write down the desktop's proxy setting: there is no home folder for it (HOME)",
    );
  }
  using opened = new DisposableStack();
  const libc = opened.use(openLibc());
  repairAtStart(folder, { libc, log });
  if (isHeldByOther(libc, folder, "desktopProxy")) {
    throw new TtunError(
      "in_use",
      "Cannot set the desktop's proxy: another ttun that runs has set it; end that one first",
    );
  }
  const store = storeOf(by);
  const journal = opened.use(new Journal(libc, folder, "desktop"));
  const before = store.read();
  const after = store.automatic(url, before);
  const step = { kind: "desktopProxy", by, before, after } as const;
  const change = journal.make(step, () => store.write(after));
  const owned = opened.move();
  return {
    takeBack: () => {
      const isBack = restore(store, before, after);
      change.forget();
      return isBack;
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Other systems have no journal yet: after a kill the setting stays. */
function setUnwritten(by: StoreProgram, url: string): Setting {
  const store = storeOf(by);
  const before = store.read();
  const after = store.automatic(url, before);
  store.write(after);
  return { takeBack: () => restore(store, before, after), [Symbol.dispose]: () => {} };
}

function restore(store: ProxyStore, before: ProxySetting, after: ProxySetting): boolean {
  if (!isSameSetting(store.read(), after)) return false;
  store.write(before);
  return true;
}
