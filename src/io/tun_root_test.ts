import { test } from "../../tests/check.ts";
import { deviceSuite } from "../../tests/suite/device_suite.ts";
import { openTunWorld } from "../../tests/tun_world.ts";

deviceSuite("tun", test, openTunWorld, { refuses: true });
