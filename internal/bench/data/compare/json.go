package compare

import (
	"encoding/json"
	"io"
)

// JSON writes the comparison as indented JSON.
func (c *Comparison) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	return encoder.Encode(c)
}
