package hostile

import "fmt"

// hostFunctions returns attacks by functions of the host.
func hostFunctions() []Attack {
	return of("functions",
		Attack{Name: "1,000 functions that it may not call", Bound: "capabilities.call", Message: number('J', 1000), End: Answered, Check: noneCalled},
		inGuest("all of its memory as a function's name, for ever", 'c', 'j'),
		inGuest("all of its memory as an argument, for ever", 'c', 'J'),
		violation("a name out of range", "", "vC"),
		violation("a name that is not UTF-8", "", "vD"),
		violation("an argument out of range", "", "vE"),
		violation("an area for a result out of range", "", "vF"),
		violation("a misaligned area for a result", "", "vG"),
		violation("a function called from cabi_realloc", "aRJ", "e hello"),
		violation("a function called from a post-return", "", "apJ"),
	)
}

func noneCalled(c Counts) error {
	if c[0] != 0 || c[1] == 0 || c[1]+c[2] != 1000 {
		return fmt.Errorf("%d functions returned, %d were denied, %d were not found", c[0], c[1], c[2])
	}
	return nil
}
