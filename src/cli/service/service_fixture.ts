import { fileCommands } from "../command/command.ts";
import { COMMANDS } from "../command/commands.ts";
import { readEntries } from "../config/entries.ts";
import { type Service, servicesOf } from "./service.ts";

/** The services of a configuration with this text. */
export function servicesIn(text: string, name = "office"): Service[] {
  const config = `/etc/ttun/${name}.toml`;
  const commands = fileCommands(COMMANDS);
  const { entries, problems } = readEntries(text, config, commands);
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join("; "));
  return servicesOf({ name, config, entries }, commands);
}

/** Configurations whose services need different rights. */
export const SAMPLES = {
  server: '[[server]]\nkey-file = "/etc/ttun/keys"\nclients = 20\npool = "10.9.0.0/24"\n',
  gateway: '[[server]]\nnat = "auto"\nlisten = "443"\n',
  client: '[[client]]\nserver = "vpn.example.net"\nkey-file = "/etc/ttun/office.key"\n',
  fullTunnel: '[[client]]\nserver = "link:/etc/ttun/laptop.link"\ndefault-route = true\n' +
    'kill-switch = true\ndns = "9.9.9.9"\n',
  forwards: '[[client]]\nserver = "vpn.example.net"\nlocal-forward = "8080:db:5432"\n',
  proxy: '[[proxy.client]]\nserver = "proxy.example.net"\nauth-file = "/etc/ttun/auth"\n' +
    'direct-file = "/etc/ttun/direct"\nkey-file = "/etc/ttun/proxy.key"\n',
  tox: '[[tox]]\nsecret-file = "/etc/ttun/secret"\nrules = "/etc/ttun/rules"\n' +
    'nodes = "/etc/ttun/nodes.json"\npermit-open = "127.0.0.1:22"\n',
  node: '[[mesh.node]]\nstore = "etcds://etcd.example.net"\nstore-ca = "/etc/ttun/etcd.pem"\n',
} as const;
