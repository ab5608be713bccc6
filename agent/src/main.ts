console.log("holdpoint")
