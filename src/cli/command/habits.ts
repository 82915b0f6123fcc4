import type { Refusals } from "./option_table.ts";

/** Advice for commands of other tunnels, by their words. */
export const COMMAND_HABITS: Readonly<Record<string, string>> = {
  ...words(
    ["start", "run", "connect", "dial"],
    "use ttun server at one end and ttun client at the other, or ttun up with a configuration",
  ),
  ...words(
    ["stop"],
    "end it with Ctrl-C, by SIGTERM, by ttun down if ttun up has started it, or by ttun service stop",
  ),
  ...words(["listen", "serve", "daemon"], "use ttun server"),
  ...words(["keygen", "genpsk", "gen-key", "pubkey"], "use ttun genkey; both ends share one key"),
  ...words(["socks", "socks5", "http"], "use ttun proxy client, which is SOCKS5, SOCKS4 and HTTP"),
};

const KEY = "the key is given by --key-file FILE, or by -k STRING";
const LOG = "-v logs more, -q less, and --log-format json is for programs";
const DAEMON = "-d goes to the background";

/** For ends that have no -f. */
const STAYS = words(["background", "f"], DAEMON);

const COMMON: Refusals = {
  ...words(["c", "conf"], "a configuration file is given by --config"),
  ...words(["psk", "password", "pass", "passphrase", "secret", "token"], KEY),
  ...words(["ca", "cert", "tls"], `there are no certificates; ${KEY}`),
  ...words(["b"], DAEMON),
  ...words(["log-level", "loglevel", "verb", "debug", "log"], LOG),
  ...words(["version", "V"], "ttun --version prints it, and with -v what ttun is made of"),
  ...words(["method", "encryption"], "the cipher is given by -m or --cipher"),
};

const TUNNEL: Refusals = {
  ...COMMON,
  ...words(["dev", "interface", "iface", "ifname"], "the device's name is given by --device"),
  i: "the device's name is given by --device, the file of a key by --key-file",
  ...words(["ifconfig", "ip"], "this end's address is given by --address CIDR"),
  ...words(
    ["allowed-ips", "routes", "network"],
    "a network is given by --route CIDR, each by itself",
  ),
  ...words(
    ["proto", "protocol", "tcp", "udp", "u"],
    "packets go over one TCP connection, or over UDP with -s udp://HOST and -l udp://",
  ),
  ...words(
    ["keepalive", "ping", "persistent-keepalive"],
    "the connection is kept alive without being told",
  ),
  ...words(["mssfix", "mss"], "--mss-clamp lowers the segment size of TCP through the tunnel"),
  ...words(["socks", "socks5"], "for SOCKS5 use ttun client -D PORT, or ttun proxy client"),
};

const REMOTE = ["remote", "host", "hostname", "endpoint", "connect", "peer"];

export const SERVER_REFUSALS: Refusals = {
  ...TUNNEL,
  ...STAYS,
  ...words(["port", "p"], "the port is part of --listen, as -l :20203 or -l 20203"),
  ...words(["bind", "local", "address-family"], "the address is given by -l HOST:PORT"),
  ...words([...REMOTE, "server", "s"], "a server waits for its client; -s is the client's"),
  ...words(["tun"], "a server has a device unless --no-tun is given; --device names it"),
  ...words(
    ["L", "R", "D", "N"],
    "a client forwards; the server of one without a device has --no-tun",
  ),
};

const { ca: _option, ...CLIENT_TUNNEL } = TUNNEL;

export const CLIENT_REFUSALS: Refusals = {
  ...CLIENT_TUNNEL,
  ...words(["port", "p"], "the port is part of --server, as -s HOST:20203, which is the default"),
  ...words(REMOTE, "the server is given by -s HOST:PORT"),
  ...words(["listen", "l"], "a client connects; -l is the server's"),
};

export const PROXY_SERVER_HABITS: Refusals = {
  ...COMMON,
  ...STAYS,
  ...words(
    ["port", "p"],
    "the ports follow from the key and the time; --port-range says out of which they are",
  ),
  ...words([...REMOTE, "server", "s"], "a server waits for its clients; -s is the client's"),
};

export const PROXY_CLIENT_HABITS: Refusals = {
  ...COMMON,
  ...STAYS,
  ...words(
    ["port", "p"],
    "the port for programs is part of --listen, as -l 1080; that of the server follows from the " +
      "key and the time",
  ),
  ...words(REMOTE, "the server is given by -s HOST, without a port"),
  ...words(
    ["D", "socks", "socks5", "http", "local"],
    "the port for programs is given by -l; it takes SOCKS5, SOCKS4 and HTTP alike",
  ),
  ...words(
    ["L", "R"],
    "there are no forwarded ports; programs name their target by SOCKS5 or HTTP",
  ),
};

function words(names: readonly string[], advice: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, advice]));
}
