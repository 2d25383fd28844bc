package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// Any stands in ALLOWED_ORIGINS and ALLOWED_HOSTS for all there are.
const Any = "*"

// Origins are the web origins whose pages may call the service from a browser, as browsers write them: lower case, and no port
// where it is the scheme's own.
type Origins []string

func (o *Origins) UnmarshalText(text []byte) error {
	*o = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		if entry = strings.ToLower(strings.TrimSpace(entry)); entry == "" {
			continue
		}
		if entry != Any {
			u, err := url.Parse(entry)
			if err != nil || u.Scheme == "" || u.Host == "" || strings.Contains(entry, "*") || entry != u.Scheme+"://"+u.Host {
				return formatErrorf("%.64q is no origin; write scheme, host and port and nothing after them, such as https://app.example.com or "+
					"http://localhost:3000, or * for every page", entry)
			}
			entry = withoutOwnPort(entry)
		}
		*o = append(*o, entry)
	}
	return nil
}

// withoutOwnPort drops the port that a scheme has anyway, as browsers do.
func withoutOwnPort(origin string) string {
	for scheme, port := range map[string]string{"http://": ":80", "https://": ":443"} {
		if strings.HasPrefix(origin, scheme) {
			return strings.TrimSuffix(origin, port)
		}
	}
	return origin
}

// Hosts are the names under which the service may be called, in lower case; one that begins with *. stands for every name below.
type Hosts []string

func (h *Hosts) UnmarshalText(text []byte) error {
	*h = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		if entry = strings.ToLower(strings.TrimSpace(entry)); entry == "" {
			continue
		}
		if !plainHost(entry) {
			return formatErrorf("%.64q is no host name; write names without scheme and port, such as python.example.com or *.example.com, or * for every name", entry)
		}
		*h = append(*h, entry)
	}
	return nil
}

func plainHost(entry string) bool {
	if entry == Any {
		return true
	}
	if _, err := netip.ParseAddr(entry); err == nil {
		return true
	}
	name := strings.TrimPrefix(entry, "*.")
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return name != "" && name[0] != '.'
}
