package plugin_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
)

// visitor is a person without script in the browser: it opens pages of a console, follows links and presses buttons.
type visitor struct {
	base   *url.URL
	client *http.Client

	page   string
	status int
	at     *url.URL
}

var consoleAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+/\S+`)

// openConsole starts the command with further flags, and opens the address that it prints.
func openConsole(ctx context.Context, flags ...string) *visitor {
	GinkgoHelper()
	command := pluginCommand(context.WithoutCancel(ctx), append([]string{"ui"}, flags...)...)
	out := gbytes.NewBuffer()
	command.Stdout, command.Stderr = out, GinkgoWriter
	Expect(command.Start()).To(Succeed())
	DeferCleanup(func() {
		Expect(command.Process.Signal(os.Interrupt)).To(Succeed())
		Expect(command.Wait()).To(Succeed())
	})
	Eventually(out).WithContext(ctx).Should(gbytes.Say("Ctrl-C"))
	address, err := url.Parse(consoleAddress.FindString(string(out.Contents())))
	Expect(err).NotTo(HaveOccurred())
	jar, err := cookiejar.New(nil)
	Expect(err).NotTo(HaveOccurred())
	v := &visitor{client: &http.Client{Jar: jar}, base: &url.URL{Scheme: address.Scheme, Host: address.Host, Path: address.Path}}
	v.send(ctx, http.MethodGet, address, nil)
	Expect(v.status).To(Equal(http.StatusOK), v.text())
	return v
}

// send sends a request as a browser does, and follows redirects.
func (v *visitor) send(ctx context.Context, method string, to *url.URL, form url.Values) {
	GinkgoHelper()
	r, err := http.NewRequestWithContext(ctx, method, to.String(), strings.NewReader(form.Encode()))
	Expect(err).NotTo(HaveOccurred())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Origin", to.Scheme+"://"+to.Host)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := v.client.Do(r)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	v.page, v.status, v.at = string(text), response.StatusCode, response.Request.URL
	GinkgoWriter.Printf("%s %s %v: %d\n%s\n", method, to.Path, form, v.status, v.text())
}

// open opens a page by its address below the secret path.
func (v *visitor) open(ctx context.Context, path string) {
	GinkgoHelper()
	to, err := v.base.Parse(path)
	Expect(err).NotTo(HaveOccurred())
	v.send(ctx, http.MethodGet, to, nil)
}

var (
	forms   = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	fields  = regexp.MustCompile(`(?s)<input([^>]*)>|<textarea([^>]*)>([^<]*)</textarea>|<select([^>]*)>(.*?)</select>`)
	buttons = regexp.MustCompile(`<button([^>]*)>([^<]*)</button>`)
	links   = regexp.MustCompile(`(?s)<a([^>]*)>(.*?)</a>`)
	chosen  = regexp.MustCompile(`<option([^>]*)>([^<]*)`)
	tags    = regexp.MustCompile(`(?s)<[^>]*>`)
)

// attribute returns an attribute of a tag.
func attribute(tag, name string) string {
	found := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

func plain(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

// text returns the text of the page.
func (v *visitor) text() string { return plain(v.page) }

// follow follows the first link of the page with the text.
func (v *visitor) follow(ctx context.Context, text string) {
	GinkgoHelper()
	for _, found := range links.FindAllStringSubmatch(v.page, -1) {
		if plain(found[2]) == text {
			v.open(ctx, attribute(found[1], "href"))
			return
		}
	}
	Fail("there is no link " + text + " in: " + v.text())
}

// entries returns what the form would send.
func entries(form string) url.Values {
	made := url.Values{}
	for _, found := range fields.FindAllStringSubmatch(form, -1) {
		input, area, choice := found[1], found[2], found[4]
		switch {
		case area != "":
			made.Add(attribute(area, "name"), html.UnescapeString(strings.TrimPrefix(found[3], "\n")))
		case choice != "":
			for i, option := range chosen.FindAllStringSubmatch(found[5], -1) {
				value := attribute(option[1], "value")
				if !strings.Contains(option[1], "value=") {
					value = html.UnescapeString(option[2])
				}
				if i == 0 || strings.Contains(option[1], " selected") {
					made.Set(attribute(choice, "name"), value)
				}
			}
		case attribute(input, "type") != "checkbox" || strings.Contains(input, " checked"):
			made.Add(attribute(input, "name"), attribute(input, "value"))
		}
	}
	return made
}

// press fills fields of a form, and presses its button with the text. The form is the first with such a button, and must
// have the fields.
func (v *visitor) press(ctx context.Context, text string, filled url.Values) {
	GinkgoHelper()
	for _, form := range forms.FindAllStringSubmatch(v.page, -1) {
		for _, button := range buttons.FindAllStringSubmatch(form[2], -1) {
			if plain(button[2]) != text {
				continue
			}
			sent := entries(form[2])
			for name, values := range filled {
				Expect(form[2]).To(ContainSubstring(`name="`+name+`"`), "the field "+name)
				sent[name] = values
			}
			if name := attribute(button[1], "name"); name != "" {
				sent.Set(name, attribute(button[1], "value"))
			}
			to, err := v.at.Parse(attribute(form[1], "action"))
			Expect(err).NotTo(HaveOccurred())
			if attribute(form[1], "method") == "post" {
				v.send(ctx, http.MethodPost, to, sent)
				return
			}
			to.RawQuery = sent.Encode()
			v.send(ctx, http.MethodGet, to, nil)
			return
		}
	}
	Fail("there is no button " + text + " in: " + v.text())
}

// has checks that the page contains the texts.
func (v *visitor) has(all ...string) {
	GinkgoHelper()
	for _, each := range all {
		Expect(v.text()).To(ContainSubstring(each))
	}
}

// lacksButton checks that the page has no button with the text.
func (v *visitor) lacksButton(text string) {
	GinkgoHelper()
	for _, button := range buttons.FindAllStringSubmatch(v.page, -1) {
		Expect(plain(button[2])).NotTo(Equal(text))
	}
}
