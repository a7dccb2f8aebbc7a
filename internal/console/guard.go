package console

import (
	"fmt"
	"net"
	"net/http"
	"slices"
)

// contentSecurityPolicy allows only what the console serves itself. Inline scripts and styles do not run.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// largestForm is the maximum size of the body of a request.
const largestForm = 2 << 20

// setHeaders sets the headers of all answers. With Referrer-Policy: no-referrer, browsers would send forms with
// "Origin: null".
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// checkRequest returns a problem if the request does not come from one of the console's own pages, or from a person
// who opens an address. It needs no secret. A browser sends Sec-Fetch-Site to loopback addresses; a request without it
// is refused.
func checkRequest(r *http.Request, host string) *problem {
	if r.Host != host {
		return forbidden("The request is for another host", fmt.Sprintf("The console answers only as %s, and the request names %q.", host, r.Host))
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !reads && r.Method != http.MethodPost {
		return &problem{Status: http.StatusMethodNotAllowed, Title: "Method not allowed", Text: "The console answers GET, HEAD and POST."}
	}
	allowed := []string{"same-origin"}
	if reads {
		allowed = append(allowed, "none") // the address bar, a bookmark, or the command that printed the address
	}
	if site := r.Header.Values("Sec-Fetch-Site"); len(site) != 1 || !slices.Contains(allowed, site[0]) {
		return forbidden("The request comes from elsewhere",
			"The console answers only its own pages and addresses that a person opens. Copy the address into the address bar.")
	}
	origin := r.Header.Values("Origin")
	if len(origin) == 0 && reads {
		return nil
	}
	if len(origin) != 1 || origin[0] != "http://"+host {
		return forbidden("The request comes from elsewhere", "A page of another origin sent it. Nothing was done.")
	}
	return nil
}

// checkLoopback returns an error if other machines can reach the address.
func checkLoopback(address net.Addr) error {
	tcp, is := address.(*net.TCPAddr)
	if !is || !tcp.IP.IsLoopback() {
		return fmt.Errorf("address %s: the console listens only on a loopback address, such as 127.0.0.1", address)
	}
	return nil
}
