import { always, cipherSuite } from "../../../tests/suite/cipher_suite.ts";
import { makePureCipher } from "./table.ts";

cipherSuite("pure", always(makePureCipher));
