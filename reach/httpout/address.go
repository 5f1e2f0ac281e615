package httpout

import (
	"net/netip"

	"github.com/airhost/airhost/core"
)

// special are the addresses that are not for everybody, or that stand for others: those of the
// registries of special-purpose addresses (RFC 6890), and multicast. Of IPv6 all are refused
// that do not begin with 2000::/3.
var special = prefixes(
	"0.0.0.0/8",        // this network; 0.0.0.0 is often this machine
	"10.0.0.0/8",       // private, RFC 1918
	"100.64.0.0/10",    // shared by a provider's customers, RFC 6598; metadata of one cloud
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // services of the machine's host in one cloud
	"169.254.0.0/16",   // link-local, with the metadata of most clouds
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocols, RFC 6890
	"192.0.2.0/24",     // documentation, RFC 5737
	"192.88.99.0/24",   // relays of 6to4, RFC 7526
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks, RFC 2544
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, and broadcast
	"2001::/23",        // protocols, such as Teredo, which has an IPv4 address inside
	"2001:db8::/32",    // documentation
	"2002::/16",        // 6to4, which has an IPv4 address inside
	"3fff::/20",        // documentation, RFC 9637
)

// global are the addresses of IPv6 that have been given out. Beside them are loopback, link-local
// and private addresses, NAT64, multicast and those that have an IPv4 address inside.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) (parsed []netip.Prefix) {
	for _, text := range all {
		parsed = append(parsed, netip.MustParsePrefix(text))
	}
	return parsed
}

// isPublic reports whether anybody can reach an address, so that a component learns nothing
// by the place of its host.
func isPublic(a netip.Addr) bool {
	if a.Zone() != "" || !a.IsValid() || a.Is4In6() || a.Is6() && !global.Contains(a) {
		return false
	}
	return !contains(special, a)
}

func contains(ranges []netip.Prefix, a netip.Addr) bool {
	for _, p := range ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// permits returns an error for an address that no component may reach by a name.
func (c *Client) permits(host string, a netip.Addr) error {
	switch {
	case host == localhost && a.IsLoopback():
		return nil // a rule has named it
	case host != localhost && isPublic(a), contains(c.config.Allow, a):
		return nil
	}
	return &core.HTTPError{Code: core.HTTPDestinationProhibited, Text: core.CutText(
		host+" has the address "+a.String()+", which is not public: name it in http.allow, or in a rule in place of the host", core.MaxErrorText)}
}

// localhost is the one name that stands for addresses that are not public.
const localhost = "localhost"
