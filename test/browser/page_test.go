package browser_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The fields of a page.
const (
	search  = chromedp.CSS("#search")
	section = chromedp.CSS("#section")
	role    = chromedp.CSS("#role")
	reasons = chromedp.CSS("#reasons")
)

// Expressions that return the visible content.
const (
	seenRows = `Array.from(document.querySelectorAll("tbody tr")).filter((row) => row.checkVisibility())
		.map((row) => row.querySelector("th").textContent)`
	seenSections = `Array.from(document.querySelectorAll("section")).filter((part) => part.checkVisibility())
		.map((part) => part.querySelector("h2").textContent)`
	count = `document.getElementById("count").textContent`
	// tooWide are elements that extend beyond the screen. The content of scrollable elements may be wider.
	tooWide = `Array.from(document.querySelectorAll("body *"))
		.filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
		.filter((e) => {
			for (let p = e.parentElement; p; p = p.parentElement) {
				if (getComputedStyle(p).overflowX === "auto" && p.getBoundingClientRect().right <= innerWidth + 1) return false;
			}
			return true;
		}).map((e) => e.tagName + " " + e.textContent.slice(0, 40))`
	pageWidth = `document.documentElement.scrollWidth`
)

func TestPages(t *testing.T) {
	browser := startBrowser(t)
	access := buildPlugin(t)
	samples := []string{"-f", "config/samples", "-R", "--at", "2026-06-01"}
	matrix := access.page(t, append([]string{"matrix"}, samples...)...)
	report := access.page(t, append([]string{"report", "--days", "4000"}, samples...)...)
	hostile := writeHostile(t)
	pages := map[string]string{
		"matrix": matrix, "report": report,
		"hostile-matrix": access.page(t, "matrix", "-f", hostile),
		"hostile-report": access.page(t, "report", "-f", hostile),
	}

	t.Run("search narrows", func(t *testing.T) { testSearch(t, openTab(t, browser, matrix, desktop)) })
	t.Run("filter by organization and role", func(t *testing.T) { testFilter(t, openTab(t, browser, matrix, desktop)) })
	t.Run("sort by a column", func(t *testing.T) { testSort(t, openTab(t, browser, matrix, desktop)) })
	t.Run("sort on a phone", func(t *testing.T) { testSort(t, openTab(t, browser, matrix, phone)) })
	t.Run("reasons on demand", func(t *testing.T) { testReasons(t, openTab(t, browser, matrix, desktop)) })
	t.Run("parts of a report", func(t *testing.T) { testReport(t, openTab(t, browser, report, desktop)) })
	t.Run("without script", func(t *testing.T) { testWithoutScript(t, browser, matrix) })
	t.Run("picture", func(t *testing.T) { savePicture(t, openTab(t, browser, matrix, picture)) })
	t.Run("policy", func(t *testing.T) { testPolicy(t, openTab(t, browser, matrix, desktop)) })
	t.Run("hostile text", func(t *testing.T) {
		testHostile(t, openTab(t, browser, pages["hostile-matrix"], desktop))
		testHostile(t, openTab(t, browser, pages["hostile-report"], desktop))
	})
	for name, address := range pages {
		for size, on := range map[string]device{"phone": phone, "desktop": desktop} {
			t.Run(name+" fits a "+size, func(t *testing.T) {
				p := openTab(t, browser, address, on)
				p.expect(t, pageWidth, on.width)
				p.expect(t, tooWide, []string{})
				p.screenshot(t, name+"-"+size)
				p.silent(t)
				if !strings.HasSuffix(name, "matrix") {
					return // a report has its reasons in columns
				}
				p.do(t, chromedp.Click(reasons))
				p.expect(t, pageWidth, on.width)
				p.expect(t, tooWide, []string{})
				p.screenshot(t, name+"-"+size+"-reasons")
				p.silent(t)
			})
		}
	}
}

func testSearch(t *testing.T, p *tab) {
	p.expect(t, count, "14 of 14")
	p.do(t, chromedp.SendKeys(search, "Hugo"))
	p.expect(t, seenRows, []string{"hugo@acme.example", "hugo@acme.example"})
	p.expect(t, seenSections, []string{"security-apac", "security-emea"})
	p.expect(t, count, "2 of 14")
	p.do(t, chromedp.SendKeys(search, " rulesadmin"))
	p.expect(t, count, "1 of 14")
	p.do(t, chromedp.SendKeys(search, " nobody"))
	p.expect(t, seenRows, []string{})
	p.silent(t)
}

func testFilter(t *testing.T, p *tab) {
	p.do(t, chromedp.SendKeys(section, "security-apac"))
	p.expect(t, seenSections, []string{"security-apac"})
	p.expect(t, count, "3 of 14")
	p.do(t, chromedp.SendKeys(role, "Editor"))
	p.expect(t, seenRows, []string{"hugo@acme.example", "jonas@acme.example"})
	p.silent(t)
}

func testSort(t *testing.T, p *tab) {
	const rows = `Array.from(document.querySelectorAll("#s0 tbody th")).map((cell) => cell.textContent.slice(0, 2))`
	sales := chromedp.Search(`//section[@id="s0"]//thead//button[text()="sales"]`)
	p.expect(t, rows, []string{"am", "an", "br", "cl", "da"})
	p.do(t, chromedp.Click(sales))
	p.expect(t, rows, []string{"an", "am", "br", "cl", "da"})
	p.expect(t, `document.querySelector("#s0 [aria-sort]").getAttribute("aria-sort")`, "ascending")
	p.do(t, chromedp.Click(sales))
	p.expect(t, rows, []string{"da", "cl", "am", "br", "an"})
	p.expect(t, `document.querySelectorAll("#s0 [aria-sort=descending]").length`, 1)
	p.silent(t)
}

func testReasons(t *testing.T, p *tab) {
	const seen = `Array.from(document.querySelectorAll("small")).filter((text) => text.checkVisibility()).length > 0`
	p.expect(t, seen, false)
	p.do(t, chromedp.Click(reasons))
	p.expect(t, seen, true)
	p.do(t, chromedp.Click(reasons))
	p.expect(t, seen, false)
	p.silent(t)
}

func testReport(t *testing.T, p *tab) {
	p.do(t, chromedp.SendKeys(section, "Protected"))
	p.expect(t, seenSections, []string{"Protected grants"})
	p.do(t, chromedp.SendKeys(search, "ana@"))
	p.expect(t, `new Set(`+seenRows+`).size`, 1)
	p.expect(t, `document.getElementById("reasons").checkVisibility()`, false)
	p.silent(t)
}

// testWithoutScript checks that the page is a plain table with its reasons and without useless fields if scripts are
// disabled.
func testWithoutScript(t *testing.T, browser context.Context, address string) {
	on := desktop
	on.withoutScript = true
	p := openTab(t, browser, address, on)
	p.expect(t, `document.querySelectorAll("tbody tr").length === `+seenRows+`.length`, true)
	p.expect(t, `document.querySelector("form").checkVisibility()`, false)
	p.expect(t, `document.querySelector("small").checkVisibility()`, true)
	p.screenshot(t, "without-script")
	p.silent(t)
}

// testPolicy tries what hostile text could try if it were rendered as markup.
func testPolicy(t *testing.T, p *tab) {
	p.expect(t, `(() => {
		const script = document.createElement("script");
		script.textContent = "window.ran = true";
		document.body.append(script);
		const link = document.createElement("div");
		link.setAttribute("onclick", "window.ran = true");
		document.body.append(link);
		link.click();
		const style = document.createElement("style");
		style.textContent = "body { display: none }";
		document.head.append(style);
		return [window.ran === undefined, document.body.checkVisibility()];
	})()`, []bool{true, true})
	for _, complaint := range p.complaints() {
		if !strings.Contains(complaint, "Content Security Policy") {
			t.Errorf("the browser complains: %s", complaint)
		}
	}
	if len(p.complaints()) < 3 {
		t.Errorf("the policy forbade only %q", p.complaints())
	}
}

// hostileUsers are names that the schema allows.
var hostileUsers = []string{
	"<script>window.ran=1</script>",
	"<img/src=x/onerror=window.ran=1>",
	"'><svg/onload=window.ran=1>@acme.example",
	"{{window.ran=1}}</table></section><h1>x",
	strings.Repeat("w", 240) + "@acme.example",
}

func writeHostile(t *testing.T) string {
	t.Helper()
	quoted := func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
	var text strings.Builder
	text.WriteString("apiVersion: access.usher.dev/v1alpha1\nkind: AccessGroup\nmetadata: {name: " +
		strings.Repeat("g", 253) + ", namespace: " + strings.Repeat("n", 63) + "}\nspec:\n" +
		"  displayName: <script>window.ran=1</script>\n  organizationRole: Viewer\n  applicationAccess:\n")
	for _, letter := range strings.Split("abcdefghijkl", "") {
		text.WriteString("  - {application: " + strings.Repeat(letter, 63) + ", role: Editor}\n")
	}
	text.WriteString("  dataPermissions:\n  - application: '*'\n    anyOf:\n    - allOf:\n      - {attribute: country, operator: In, values: " +
		"['<img src=x onerror=window.ran=1>', " + strings.Repeat("W", 63) + "]}\n  members:\n")
	for _, user := range hostileUsers {
		text.WriteString("  - {user: " + quoted(user) + "}\n")
	}
	path := filepath.Join(t.TempDir(), "hostile.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func testHostile(t *testing.T, p *tab) {
	users := `Array.from(new Set(Array.from(document.querySelectorAll("#s0 tbody th")).map((cell) => cell.textContent))).sort()`
	p.expect(t, users, []string{
		hostileUsers[2], hostileUsers[1], hostileUsers[0], hostileUsers[4], hostileUsers[3],
	})
	p.expect(t, `document.querySelectorAll("img, svg, body script:not(:last-child), h1 ~ h1").length`, 0)
	p.expect(t, `document.body.textContent.includes("<img src=x onerror=window.ran=1>")`, true)
	p.expect(t, `window.ran === undefined`, true)
	p.silent(t)
}
