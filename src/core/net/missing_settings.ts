/** Wanted settings of a device; addresses and routes are written as `ip` shows them. */
export interface WantedSettings {
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
}

/** Present settings; they may have more than is wanted. */
export interface PresentSettings extends WantedSettings {
  readonly up: boolean;
}

/** Settings to be restored, in this order. */
export interface Missing {
  readonly mtu: boolean;
  readonly up: boolean;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
}

/** Compares both; null where nothing is missing. */
export function missing(wanted: WantedSettings, present: PresentSettings): Missing | null {
  const lacks = (some: readonly string[], there: readonly string[]) => {
    const known = new Set(there);
    return some.filter((text) => !known.has(text));
  };
  const found = {
    mtu: wanted.mtu !== present.mtu,
    up: !present.up,
    addresses: lacks(wanted.addresses, present.addresses),
    routes: lacks(wanted.routes, present.routes),
  };
  const isComplete = !found.mtu && !found.up && found.addresses.length === 0 &&
    found.routes.length === 0;
  return isComplete ? null : found;
}

const MTU = "MTU";
const LINK_UP = "link up";
const routeName = (route: string) => `route ${route}`;

export function missingNames({ mtu, up, addresses, routes }: Missing): string[] {
  return [
    ...(mtu ? [MTU] : []),
    ...(up ? [LINK_UP] : []),
    ...addresses,
    ...routes.map(routeName),
  ];
}

export function onlyNamed(what: Missing, names: readonly string[]): Missing {
  const wanted = new Set(names);
  return {
    mtu: what.mtu && wanted.has(MTU),
    up: what.up && wanted.has(LINK_UP),
    addresses: what.addresses.filter((address) => wanted.has(address)),
    routes: what.routes.filter((route) => wanted.has(routeName(route))),
  };
}

const NAMED = 3;

/** Returns a text for the log: "link up, fc11::1/126, route 10.77.0.0/16". */
export function missingText(what: Missing): string {
  const { routes } = what;
  const rest = routes.length > NAMED ? [`${routes.length - NAMED} more routes`] : [];
  return [...missingNames({ ...what, routes: routes.slice(0, NAMED) }), ...rest].join(", ");
}
