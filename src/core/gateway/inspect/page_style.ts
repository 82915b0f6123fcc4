/** Style of the agent's page, which its security policy names by its hash. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 0; display: grid; grid-template: auto 1fr / minmax(20rem, 2fr) 3fr; height: 100vh; }
header { grid-column: 1 / 3; padding: .5rem 1rem; border-bottom: 1px solid #8886; }
h1 { font-size: 1rem; margin: 0; display: inline; }
#state { margin-left: 1rem; opacity: .7; }
#list, #detail { overflow: auto; }
#list { border-right: 1px solid #8886; }
table { width: 100%; border-collapse: collapse; }
td { padding: .2rem .5rem; border-bottom: 1px solid #8883; white-space: nowrap; }
td.path { max-width: 20rem; overflow: hidden; text-overflow: ellipsis; }
tr.one { cursor: pointer; }
tr.one:hover, tr.chosen { background: #8883; }
#detail { padding: .5rem 1rem; }
h2 { font-size: .9rem; margin: 1rem 0 .3rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .5rem; margin: 0; }
.fields td { white-space: normal; overflow-wrap: anywhere; vertical-align: top; }
.fields td:first-child { white-space: nowrap; opacity: .7; width: 1%; }
button { margin-right: .5rem; }
`;
