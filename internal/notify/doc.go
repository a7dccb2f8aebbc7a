// Package notify tells users about changes of their access, by mail, webhook or Slack.
//
// It works like a controller. [Notifier] runs on the leader and reconciles one organization at a time: it compares the
// access of each user with a record of the access that the user was last told about, and turns a difference into a notice
// for each channel. The record is a set of ConfigMaps in the organization. It is written before a notice is sent and after
// a notice was delivered. So a restart or a new leader continues where the last one stopped, and the notifier does not need
// to see a change happen.
//
// Each channel has an outbox with a rate-limiting queue and a goroutine of its own, so a slow or failing server delays only
// its own channel. Publishing access never waits for a notice.
//
// From Usher, the package imports only the API, mailtext, resolve and roster.
package notify
