import { agreementSuite, always, cipherSuite } from "../../../tests/suite/cipher_suite.ts";
import { makePureCipher } from "../../core/cipher/pure_cipher.ts";
import { makeNodeCipher } from "./node_cipher.ts";

cipherSuite("node", always(makeNodeCipher));
agreementSuite("node and pure", always(makeNodeCipher), always(makePureCipher));
