"""SimPO on preference pairs: data, loss, trainer and the process that trains, shared by every trained arm."""
