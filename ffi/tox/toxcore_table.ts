const OPTIONS_SET_BOOL = { parameters: ["pointer", "bool"], result: "void" } as const;
const OPTIONS_SET_U16 = { parameters: ["pointer", "u16"], result: "void" } as const;
const OPTIONS_SET_U32 = { parameters: ["pointer", "u32"], result: "void" } as const;
const SIZE = { parameters: [], result: "u32" } as const;
const SET_CALLBACK = { parameters: ["pointer", "function"], result: "void" } as const;

/**
 * Calls of tox/tox.h that 0.2.18 to 0.2.23 have alike. The options are set by functions, since
 * their struct differs from version to version. `Tox_Err_*` are written through "buffer".
 */
export const TOXCORE_TABLE = {
  tox_version_major: SIZE,
  tox_version_minor: SIZE,
  tox_version_patch: SIZE,
  tox_public_key_size: SIZE,
  tox_address_size: SIZE,
  tox_max_friend_request_length: SIZE,
  tox_max_custom_packet_size: SIZE,
  tox_options_new: { parameters: ["buffer"], result: "pointer" },
  tox_options_free: { parameters: ["pointer"], result: "void" },
  tox_options_set_ipv6_enabled: OPTIONS_SET_BOOL,
  tox_options_set_udp_enabled: OPTIONS_SET_BOOL,
  tox_options_set_local_discovery_enabled: OPTIONS_SET_BOOL,
  tox_options_set_start_port: OPTIONS_SET_U16,
  tox_options_set_end_port: OPTIONS_SET_U16,
  tox_options_set_tcp_port: OPTIONS_SET_U16,
  tox_options_set_proxy_type: OPTIONS_SET_U32,
  tox_options_set_proxy_host: { parameters: ["pointer", "buffer"], result: "void" },
  tox_options_set_proxy_port: OPTIONS_SET_U16,
  tox_options_set_savedata_type: OPTIONS_SET_U32,
  // Returns a bool since 0.2.20, which nobody needs: `void` fits both.
  tox_options_set_savedata_data: { parameters: ["pointer", "buffer", "usize"], result: "void" },
  tox_new: { parameters: ["pointer", "buffer"], result: "pointer" },
  tox_kill: { parameters: ["pointer"], result: "void" },
  tox_iterate: { parameters: ["pointer", "pointer"], result: "void" },
  tox_iteration_interval: { parameters: ["pointer"], result: "u32" },
  tox_get_savedata_size: { parameters: ["pointer"], result: "usize" },
  tox_get_savedata: { parameters: ["pointer", "buffer"], result: "void" },
  tox_self_get_address: { parameters: ["pointer", "buffer"], result: "void" },
  tox_self_get_dht_id: { parameters: ["pointer", "buffer"], result: "void" },
  tox_self_get_udp_port: { parameters: ["pointer", "buffer"], result: "u16" },
  tox_self_get_friend_list_size: { parameters: ["pointer"], result: "usize" },
  tox_self_get_friend_list: { parameters: ["pointer", "buffer"], result: "void" },
  tox_bootstrap: { parameters: ["pointer", "buffer", "u16", "buffer", "buffer"], result: "bool" },
  tox_add_tcp_relay: {
    parameters: ["pointer", "buffer", "u16", "buffer", "buffer"],
    result: "bool",
  },
  tox_friend_add: {
    parameters: ["pointer", "buffer", "buffer", "usize", "buffer"],
    result: "u32",
  },
  tox_friend_add_norequest: { parameters: ["pointer", "buffer", "buffer"], result: "u32" },
  tox_friend_delete: { parameters: ["pointer", "u32", "buffer"], result: "bool" },
  tox_friend_by_public_key: { parameters: ["pointer", "buffer", "buffer"], result: "u32" },
  tox_friend_send_lossless_packet: {
    parameters: ["pointer", "u32", "buffer", "usize", "buffer"],
    result: "bool",
  },
  tox_callback_self_connection_status: SET_CALLBACK,
  tox_callback_friend_request: SET_CALLBACK,
  tox_callback_friend_connection_status: SET_CALLBACK,
  tox_callback_friend_lossless_packet: SET_CALLBACK,
} as const satisfies Deno.ForeignLibraryInterface;

export type ToxcoreSymbols = Deno.StaticForeignLibraryInterface<typeof TOXCORE_TABLE>;
