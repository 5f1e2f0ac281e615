package natstest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// Operator vouches for accounts, as the tool nsc makes them.
type Operator struct {
	key      nkeys.KeyPair
	claims   *jwt.OperatorClaims
	resolver server.MemAccResolver
}

// NewOperator returns an operator without accounts.
func NewOperator(t testing.TB) *Operator {
	t.Helper()
	o := new(Operator)
	var err error
	o.key, err = nkeys.CreateOperator()
	check(t, err)
	o.claims = jwt.NewOperatorClaims(publicKey(t, o.key))
	text, err := o.claims.Encode(o.key)
	check(t, err)
	o.claims, err = jwt.DecodeOperatorClaims(text)
	check(t, err)
	return o
}

// Options returns the settings of a server of the operator.
func (o *Operator) Options() *server.Options {
	return &server.Options{TrustedOperators: []*jwt.OperatorClaims{o.claims}, AccountResolver: &o.resolver}
}

// Account is an account of an operator.
type Account struct{ key nkeys.KeyPair }

// NewAccount makes an account, which the operator's servers know.
func (o *Operator) NewAccount(t testing.TB, name string) *Account {
	t.Helper()
	key, err := nkeys.CreateAccount()
	check(t, err)
	claims := jwt.NewAccountClaims(publicKey(t, key))
	claims.Name = name
	text, err := claims.Encode(o.key)
	check(t, err)
	check(t, o.resolver.Store(claims.Subject, text))
	return &Account{key}
}

// Credentials writes the credentials of a new user of the account, as nsc does, and returns the
// file. With an end they expire.
func (a *Account) Credentials(t testing.TB, user string, end time.Time) string {
	t.Helper()
	key, err := nkeys.CreateUser()
	check(t, err)
	claims := jwt.NewUserClaims(publicKey(t, key))
	claims.Name = user
	if !end.IsZero() {
		claims.Expires = end.Unix()
	}
	text, err := claims.Encode(a.key)
	check(t, err)
	seed, err := key.Seed()
	check(t, err)
	file, err := jwt.FormatUserConfig(text, seed)
	check(t, err)
	name := filepath.Join(t.TempDir(), user+".creds")
	check(t, os.WriteFile(name, file, 0o600))
	return name
}

// NKey writes the seed of a new user, and returns the file and the public key.
func NKey(t testing.TB) (file, public string) {
	t.Helper()
	key, err := nkeys.CreateUser()
	check(t, err)
	seed, err := key.Seed()
	check(t, err)
	file = filepath.Join(t.TempDir(), "host.nk")
	check(t, os.WriteFile(file, seed, 0o600))
	return file, publicKey(t, key)
}

func publicKey(t testing.TB, key nkeys.KeyPair) string {
	t.Helper()
	public, err := key.PublicKey()
	check(t, err)
	return public
}
