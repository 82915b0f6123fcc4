/** What a network device is to have. Addresses and routes are texts that `ip` would show. */
export interface WantedState {
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
}

/** What it has; more than is wanted does no harm. */
export interface PresentState extends WantedState {
  readonly up: boolean;
}

/** What is to be put back, in the order in which it must be done. */
export interface Missing {
  readonly mtu: boolean;
  readonly up: boolean;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
}

/** Compares both; null where nothing is missing. */
export function missing(wanted: WantedState, present: PresentState): Missing | null {
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

/** So many routes are named in a log line. */
const NAMED = 3;

/** One text for the log: "link up, fc11::1/126, route 10.77.0.0/16". */
export function missingText(what: Missing): string {
  const { routes } = what;
  const rest = routes.length > NAMED ? [`${routes.length - NAMED} more routes`] : [];
  return [
    ...(what.mtu ? ["MTU"] : []),
    ...(what.up ? ["link up"] : []),
    ...what.addresses,
    ...routes.slice(0, NAMED).map((route) => `route ${route}`),
    ...rest,
  ].join(", ");
}
