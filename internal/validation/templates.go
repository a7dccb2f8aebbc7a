package validation

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	accessv1alpha1 "github.com/usher-dev/usher/api/v1alpha1"
	"github.com/usher-dev/usher/internal/mailtext"
)

// ownTemplates refuses mail templates that cannot be executed (docs/notices.md). It does not check parts that the
// old object also has, so that other changes pass.
func (j *judge) ownTemplates() {
	policy, ok := j.request.New.(*accessv1alpha1.AccessPolicy)
	if !ok || !j.changed.touch("notificationChannels") {
		return
	}
	known := map[templatePart]bool{}
	if old, ok := j.request.Old.(*accessv1alpha1.AccessPolicy); ok && old != nil {
		for i := range old.Spec.NotificationChannels {
			for _, part := range partsOf(&old.Spec.NotificationChannels[i]) {
				known[part] = true
			}
		}
	}
	for i := range policy.Spec.NotificationChannels {
		channel := &policy.Spec.NotificationChannels[i]
		at := field.NewPath("spec", "notificationChannels").Key(string(channel.Name)).Child("smtp", "template")
		for _, part := range partsOf(channel) {
			if !known[part] {
				j.Errors = append(j.Errors, part.validate(at)...)
			}
		}
	}
}

// templatePart is one part of a template.
type templatePart struct{ field, source string }

func partsOf(channel *accessv1alpha1.NotificationChannel) []templatePart {
	t := &channel.SMTP.Template
	return []templatePart{{"subject", t.Subject}, {"text", t.Text}, {htmlPart, t.HTML}}
}

const htmlPart = "html"

// mostQuoted is the number of characters of a template that a message quotes.
const mostQuoted = 100

func (p templatePart) validate(at *field.Path) field.ErrorList {
	parse := mailtext.Text
	if p.field == htmlPart {
		parse = mailtext.HTML
	}
	err := mailtext.Validate(p.source, parse)
	if err == nil {
		return nil
	}
	quoted := p.source
	if runes := []rune(quoted); len(runes) > mostQuoted {
		quoted = string(runes[:mostQuoted]) + "…"
	}
	return field.ErrorList{field.Invalid(at.Child(p.field), quoted, fmt.Sprintf("it cannot be rendered: %v. "+
		"docs/notices.md lists what a template may use. Correct it, or remove the field to send Usher's own text", err))}
}
