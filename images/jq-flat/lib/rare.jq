def shout: ascii_upcase + "!";
