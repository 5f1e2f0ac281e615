package host

func init() { checked = true }
