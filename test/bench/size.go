package main

import (
	"fmt"
	"slices"
	"strings"
)

// size says how much there is of everything, and how often it is measured.
type size struct {
	Name         string `json:"name"`
	Users        int    `json:"users"`
	Groups       int    `json:"groups"`
	Applications int    `json:"applications"`
	// Waves are the groups that are taken away as a whole, by their members; the last is the one whose role changes.
	Waves []int `json:"waves"`
}

// workers write side by side: as many as the manager has.
const workers = 8

var sizes = []size{
	{Name: "S", Users: 1_000, Groups: 100, Applications: 20, Waves: []int{50, 500}},
	{Name: "M", Users: 10_000, Groups: 1_000, Applications: 100, Waves: []int{50, 500, 5_000}},
	{Name: "L", Users: 50_000, Groups: 5_000, Applications: 200, Waves: []int{50, 500, 5_000}},
}

func sizeNamed(name string) (size, error) {
	var names []string
	for _, s := range sizes {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return size{}, fmt.Errorf("there is no size %q: take one of %s", name, strings.Join(names, ", "))
}

// largest is how many members the largest group has.
func (s size) largest() int { return slices.Max(s.Waves) }

func (s size) String() string {
	return fmt.Sprintf("%s: %d users, %d groups, %d applications", s.Name, s.Users, s.Groups, s.Applications)
}
