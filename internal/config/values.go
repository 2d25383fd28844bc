package config

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

var durationType = reflect.TypeFor[time.Duration]()

// Names is a list separated by commas or blanks. Empty names are dropped.
type Names []string

func (n *Names) UnmarshalText(text []byte) error {
	*n = nil
	separates := func(r rune) bool { return r == ',' || unicode.IsSpace(r) }
	*n = append(*n, strings.FieldsFunc(string(text), separates)...)
	return nil
}

// Prefixes are networks, comma-separated; an address is a network of one.
type Prefixes []netip.Prefix

func (p *Prefixes) UnmarshalText(text []byte) error {
	*p = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		network, err := netip.ParsePrefix(entry)
		if err != nil {
			address, addressErr := netip.ParseAddr(entry)
			if addressErr != nil {
				return formatErrorf("%q is neither an address nor a network; write some such as 10.0.0.0/8,192.0.2.7", entry)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		*p = append(*p, network.Masked())
	}
	return nil
}

// Contains says whether an address is in one of the networks.
func (p Prefixes) Contains(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// APIKey is one caller. The key itself is never kept, only its SHA-256.
type APIKey struct {
	Name string
	Hash [32]byte
}

// APIKeys are the callers let in. A name may come twice, so that a key can be replaced while the old one still works.
type APIKeys []APIKey

func (k *APIKeys) UnmarshalText(text []byte) error {
	*k = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		// The entry is not repeated in the error: somebody may have put the key itself there, and errors are logged.
		name, sum, found := strings.Cut(entry, ":")
		name, sum = strings.TrimSpace(name), strings.TrimSpace(sum)
		if !found || name == "" {
			return formatErrorf("entry %d is not name:<sha256 of the key, hex>; make the sum with: printf %%s \"$KEY\" | sha256sum", len(*k)+1)
		}
		raw, err := hex.DecodeString(sum)
		if err != nil || len(raw) != 32 {
			return formatErrorf("what follows %q is not a SHA-256 sum of 64 hex digits; make it with: printf %%s \"$KEY\" | sha256sum", name+":")
		}
		*k = append(*k, APIKey{Name: name, Hash: [32]byte(raw)})
	}
	return nil
}

// formatError is a value's own account of what is wrong with it, fit to be shown as it is.
type formatError struct{ message string }

func (e *formatError) Error() string { return e.message }

func formatErrorf(format string, args ...any) error {
	return &formatError{fmt.Sprintf(format, args...)}
}
