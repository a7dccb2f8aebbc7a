// Package console serves the pages for administrators: kubectl access ui. It shows what the questions of the plugin
// answer, and collects edits that the plugin then shows, checks and writes. It decides nothing about access itself.
//
// A Server listens on a loopback address and serves one person. The address that the command prints contains a secret
// path and a token that works once. Opening it gives the browser a cookie for that path, because cookies do not
// distinguish ports. Every request must carry the cookie, the right Host, and the Sec-Fetch-Site that a browser sends
// for the console's own pages; every form must carry a token that works once.
package console
