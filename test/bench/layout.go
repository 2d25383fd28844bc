package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// plain is for a terminal.
type plain struct{}

func (plain) text(w io.Writer, line string) error {
	_, err := fmt.Fprintf(w, "%s\n", line)
	return err
}

// table aligns the first column to the left and figures to the right.
func (plain) table(w io.Writer, rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, value := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(value))
		}
	}
	var text strings.Builder
	for _, row := range rows {
		for i, value := range row {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(value))
			if i == 0 {
				text.WriteString("  " + value + padding)
			} else {
				text.WriteString("  " + padding + value)
			}
		}
		text.WriteString("\n")
	}
	_, err := fmt.Fprintf(w, "%s\n", text.String())
	return err
}

// markdown is for docs/performance.md.
type markdown struct{}

func (markdown) text(w io.Writer, line string) error {
	_, err := fmt.Fprintf(w, "%s\n\n", line)
	return err
}

func (markdown) table(w io.Writer, rows [][]string) error {
	var text strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&text, "|---%s|\n", strings.Repeat("|---:", len(row)-1))
		}
	}
	_, err := fmt.Fprintf(w, "%s\n", text.String())
	return err
}
