// Package rostertest makes random objects for tests of what rests on the roster. They have few names, so that they meet,
// and windows on whole minutes of the first [Horizon] after the start, so that a test can look at every minute.
package rostertest
