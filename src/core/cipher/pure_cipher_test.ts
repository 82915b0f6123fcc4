import { always, cipherSuite } from "../../../tests/suite/cipher_suite.ts";
import { makePureCipher } from "./pure_cipher.ts";

cipherSuite("pure", always(makePureCipher));
