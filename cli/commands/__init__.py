"""The subcommands, one file each: options in, one call of the library, words out."""
